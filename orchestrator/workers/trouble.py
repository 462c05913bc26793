"""What clients say of their troubles -> one Failure each, by HTTP status and by words. Pure; refuses to guess: then it is None."""

from __future__ import annotations

import re

from orchestrator.model import Failure

BY_STATUS = {
    401: Failure.AUTH,
    402: Failure.AUTH,  # no credit is left: a person must act
    403: Failure.AUTH,
    404: Failure.UNKNOWN_MODEL,
    408: Failure.NETWORK,
    413: Failure.CONTEXT,
    429: Failure.RATE_LIMIT,
    503: Failure.OVERLOADED,
    529: Failure.OVERLOADED,
}
BY_WORDS = tuple(
    (failure, re.compile(words, re.IGNORECASE))
    for failure, words in (
        (Failure.CONTEXT, r"prompt is too long|prompt_too_long|context[ _](window|length)|maximum context|exceeds the maximum number of tokens|too many (input )?tokens"),
        (Failure.AUTH, r"credit balance|out of credits|insufficient (funds|balance)"),
        (Failure.QUOTA, r"quota|usage limit|insufficient_quota|hit your .{0,30}limit|limit .{0,20}resets"),
        (Failure.AUTH, r"billing|not logged in|invalid (x-)?api[ -]key|api key (is )?(not valid|invalid|missing)|unauthori[sz]ed|authentication|missing environment variable|no api key|permission_denied|\bforbidden\b"),
        (Failure.RATE_LIMIT, r"rate.?limit|too many requests|resource_exhausted|\b429\b"),
        (Failure.OVERLOADED, r"overloaded|at capacity|service unavailable|\b(503|529)\b"),
        (Failure.UNKNOWN_MODEL, r"model.{0,80}(not found|does not exist|may not exist|not supported|is not available|unknown)|(unknown|invalid) model|model_not_found|not_found_error"),
        (Failure.NETWORK, r"econn|enotfound|etimedout|timed? ?out|connection (refused|reset|error|closed|failed)|fetch failed|network|stream disconnected|socket hang up|(?<!are )terminated|unable to connect"),
        (Failure.SERVER, r"internal server error|\b50[0-9]\b|api_error|server_error"),
        (Failure.REFUSED, r"refus(al|ed to)|content (policy|filter)|safety|usage policy"),
    )
)  # fmt: skip
TIME = r"(\d+(?:\.\d+)?) ?(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
ASKS = r"(?:(?:try again|retry(?:ing)?|resets?|available(?: again)?)[ _-](?:in|after)|wait(?: for)?)[\"']?[:=]? ?(?:about )?"
AGAIN_IN = re.compile(rf"{ASKS}((?:{TIME}(?:,? (?:and )?(?=\d))?)+)", re.IGNORECASE)
BARE = re.compile(  # as HTTP has it
    r"retry[ _-]after[\"']?[:=]? ?(\d+(?:\.\d+)?)(?=\s*(?:[^\w.\s]|\.?$|\.\s))",
    re.IGNORECASE | re.MULTILINE,
)
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ERROR = re.compile(
    r"\W*(\w* ?error\b|fatal\b|fail(ed|ure)\b|429|503|529|too many requests|overloaded|rate.?limit(ed\b|s?[ :]*(exceeded|reached|hit))|(quota|usage limit)[ :]*(exceeded|reached|hit))",
    re.IGNORECASE,
)  # fmt: skip
FEW, FEW_LINES = 400, 4
LIMITS = (Failure.RATE_LIMIT, Failure.OVERLOADED, Failure.QUOTA)


def by_status(status: int | None, words: str = "") -> Failure | None:
    """The words decide where a status has several meanings: 400, 403, 404 and 429."""
    if status is None:
        return None
    told = by_words(words)
    if status == 429 and told in (Failure.QUOTA, Failure.AUTH):
        return told
    if status == 400:
        return told
    return BY_STATUS.get(status) or (Failure.SERVER if status >= 500 else None)


def by_words(words: str) -> Failure | None:
    return next((failure for failure, pattern in BY_WORDS if pattern.search(words)), None)


def by_last_words(words: str) -> Failure | None:
    """Of one that failed and said hardly anything: a limit that it met. Its answer may speak of limits, and begins otherwise."""
    if len(words) > FEW or words.count("\n") >= FEW_LINES:
        return None
    last = words.strip().rpartition("\n")[2]
    failure = by_words(last)
    is_error = ERROR.match(last) is not None or wait_s(last) is not None
    return failure if failure in LIMITS and is_error else None


def wait_s(words: str) -> float | None:
    """ "try again in 1.5s" -> 1.5, "in 6m30s" -> 390, "retry-after: 20" -> 20"""
    if found := AGAIN_IN.search(words):
        return sum(
            float(number) * _unit_s(unit) for number, unit in re.findall(TIME, found[1], re.I)
        )
    bare = BARE.search(words)
    return float(bare[1]) if bare else None


def _unit_s(unit: str) -> float:
    low = unit.lower()
    return 0.001 if low.startswith(("ms", "milli")) else UNITS_S[low[0]]
