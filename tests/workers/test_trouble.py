"""What clients say of their troubles, in their own words, and what each of them is."""

from __future__ import annotations

import pytest

from orchestrator.model import Failure
from orchestrator.workers import trouble

SAID = {
    # Claude Code
    "API Error: Request rejected (429) · rate_limit_error": Failure.RATE_LIMIT,
    "API Error: 529 Overloaded. This is a server-side issue": Failure.OVERLOADED,
    "Invalid API key · Fix external API key": Failure.AUTH,
    "Not logged in · Please run /login": Failure.AUTH,
    "Credit balance is too low": Failure.AUTH,
    "Prompt is too long": Failure.CONTEXT,
    "You've hit your 5-hour limit · resets 12:13am (UTC)": Failure.QUOTA,
    "API Error: Connection dropped (ECONNRESET). Check the gateway": Failure.NETWORK,
    "Request timed out. If the API is slow to answer": Failure.NETWORK,
    "There's an issue with the selected model (nonesuch). It may not exist": Failure.UNKNOWN_MODEL,
    # Codex
    "exceeded retry limit, last status: 429 Too Many Requests": Failure.RATE_LIMIT,
    "Quota exceeded. Check your plan and billing details.": Failure.QUOTA,
    "You've hit your usage limit. Try again at 3:05 PM.": Failure.QUOTA,
    "Your workspace is out of credits. Add credits to go on.": Failure.AUTH,
    "unexpected status 401 Unauthorized: scripted": Failure.AUTH,
    "Missing environment variable: `OPENAI_API_KEY`.": Failure.AUTH,
    "Codex ran out of room in the model's context window.": Failure.CONTEXT,
    "Selected model is at capacity. Please try a different model.": Failure.OVERLOADED,
    "stream disconnected before completion": Failure.NETWORK,
    # OpenAI's and Google's own words
    "You exceeded your current quota, please check your plan and billing details.": Failure.QUOTA,
    "You have exhausted your daily quota on this model.": Failure.QUOTA,
    "API key not valid. Please pass a valid API key.": Failure.AUTH,
    "This model's maximum context length is 128000 tokens": Failure.CONTEXT,
    "The input token count exceeds the maximum number of tokens allowed": Failure.CONTEXT,
    "The model `x` does not exist or you do not have access to it.": Failure.UNKNOWN_MODEL,
    "fetch failed": Failure.NETWORK,
    "Internal server error": Failure.SERVER,
    "blocked by our content policy": Failure.REFUSED,
    "TypeError: terminated": Failure.NETWORK,
    # git's, of a lock that somebody has left: no network
    "Please make sure all processes are terminated then try again.": None,
    "All done.": None,
    "": None,
}


@pytest.mark.parametrize(("words", "failure"), SAID.items())
def test_words_mean_one_failure(words: str, failure: Failure | None) -> None:
    assert trouble.by_words(words) is failure


@pytest.mark.parametrize(
    ("status", "words", "failure"),
    [
        (None, "429", None),
        (400, "prompt is too long", Failure.CONTEXT),
        (400, "credit balance is too low", Failure.AUTH),
        (400, "something", None),
        (401, "", Failure.AUTH),
        (402, "", Failure.AUTH),
        (403, "", Failure.AUTH),
        (404, "", Failure.UNKNOWN_MODEL),
        (408, "", Failure.NETWORK),
        (413, "", Failure.CONTEXT),
        (429, "", Failure.RATE_LIMIT),
        (429, "you have used up your quota", Failure.QUOTA),
        (429, "out of credits", Failure.AUTH),
        (429, "overloaded", Failure.RATE_LIMIT),
        (418, "", None),
        (500, "rate limit", Failure.SERVER),
        (502, "", Failure.SERVER),
        (503, "", Failure.OVERLOADED),
        (529, "", Failure.OVERLOADED),
        (200, "", None),
    ],
)
def test_a_status_means_one_failure_and_words_decide_where_it_has_several(
    status: int | None, words: str, failure: Failure | None
) -> None:
    assert trouble.by_status(status, words) is failure


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limited, try again in 1.5s.", 1.5),
        ("Please retry after 20 seconds", 20),
        ("try again in 250ms", 0.25),
        ("resets in 5 min", 300),
        ("resets in 2h", 7200),
        ("Please try again in 6m0s.", 360),
        ("try again in 1h2m3.5s", 3723.5),
        ("rate limit: try again in 20s", 20),
        ("429 Too Many Requests, retry after 20 seconds", 20),
        ("try again in 2 minutes", 120),
        ("Please try again in 1 hour, 5 minutes and 3 seconds.", 3903),
        ("quota exceeded, resets in 3600s", 3600),
        ("resets in 2 days", 172_800),
        ("Please wait 90 secs before you ask again", 90),
        ("try again in 500 milliseconds", 0.5),
        ("429, retry-after: 20", 20),
        ('{"retry_after": 7.5}', 7.5),
        ("retry after 3 attempts", None),
        ("wait for it", None),
        ("try again later", None),
        ("in 20 s", None),
        ("", None),
    ],
)
def test_how_long_to_wait_is_read_from_words(words: str, seconds: float | None) -> None:
    assert trouble.wait_s(words) == seconds
