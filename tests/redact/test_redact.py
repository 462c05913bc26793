"""Values of secret variables in any text, however it is cut into pieces."""

import base64
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.redact import Known, Secrets, Stream, mark, variables

VALUES = st.lists(st.text("ab1/+", min_size=8, max_size=12), min_size=0, max_size=4, unique=True)


@st.composite
def texts(draw: st.DrawFn) -> tuple[list[str], bytes, list[int]]:
    """Secrets over a small alphabet, a text that is full of them and of their halves, and where it is cut."""
    values = draw(VALUES)
    forms = sorted(Secrets(("N", value) for value in values)._marks) or [b"ab1/+ab1"]
    piece = st.one_of(
        st.sampled_from(forms),
        st.builds(lambda form, n: form[:n], st.sampled_from(forms), st.integers(0, 12)),
        st.builds(lambda form, n: form[n:], st.sampled_from(forms), st.integers(0, 12)),
        st.binary(max_size=6),
        st.text("ab1/+", max_size=5).map(str.encode),
    )
    whole = b"".join(draw(st.lists(piece, max_size=12)))
    cuts = draw(st.lists(st.integers(0, len(whole)), max_size=8))
    return values, whole, sorted(cuts)


@given(texts())
def test_text_in_pieces_is_cleaned_as_the_whole(given_: tuple[list[str], bytes, list[int]]):
    values, whole, cuts = given_
    secrets = Secrets((f"N{n}", value) for n, value in enumerate(values))
    stream = Stream(secrets)
    borders = [0, *cuts, len(whole)]
    pieces = [stream.feed(whole[a:b]) for a, b in pairwise(borders)]
    assert b"".join([*pieces, stream.finish()]) == secrets.raw(whole)
    assert stream.finish() == b""


@given(texts())
def test_a_part_has_nothing_of_a_secret_that_is_partly_in_it(
    given_: tuple[list[str], bytes, list[int]],
):
    values, whole, cuts = given_
    secrets = Secrets((f"N{n}", value) for n, value in enumerate(values))
    parts = list[bytes]()
    for start, end in pairwise([0, *cuts, len(whole)]):
        first = max(0, start - secrets.around)
        seen = whole[first : end + secrets.around]
        parts.append(secrets.part(seen, start - first, end - first))
    hits = secrets._hits(whole)
    if all(before[1] <= after[0] for before, after in pairwise(hits)):
        assert b"".join(parts) == secrets.raw(whole)
    bare = b"".join(parts)
    for n in range(len(values)):
        bare = bare.replace(mark(f"N{n}").encode(), b"")
    hidden = {at for start, end in hits for at in range(start, end)}
    assert bare == bytes(byte for at, byte in enumerate(whole) if at not in hidden)


@given(texts())
def test_nothing_secret_is_left(given_: tuple[list[str], bytes, list[int]]):
    values, whole, _ = given_
    secrets = Secrets((f"N{n}", value) for n, value in enumerate(values))
    clean = secrets.raw(whole)
    assert not secrets.count(clean)
    assert secrets.raw(clean) == clean


@given(texts())
def test_no_more_is_held_back_than_may_become_a_secret(given_: tuple[list[str], bytes, list[int]]):
    values, whole, _ = given_
    secrets = Secrets((f"N{n}", value) for n, value in enumerate(values))
    _, held = secrets.take(whole, ended=False)
    assert not held or any(f.startswith(held) and f != held for f in secrets._marks)
    assert whole.endswith(held)


@given(st.binary(), st.lists(st.integers(0, 100), max_size=5))
def test_without_secrets_every_byte_passes_at_once(whole: bytes, cuts: list[int]):
    stream = Stream(Secrets())
    borders = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    for a, b in pairwise(borders):
        assert stream.feed(whole[a:b]) == whole[a:b]
    assert stream.finish() == b""


@given(st.text(st.characters(), max_size=40))
def test_text_comes_back_as_it_was(words: str):
    """Whatever Python can hold in a text, half a surrogate pair and bytes of no encoding too."""
    assert Secrets([("N", "tok-1234567")]).text(words) == words
    assert Secrets([("N", "tok-1234567")]).text(f"{words}tok-1234567{words}") == (
        f"{words}[redacted: N]{words}"
    )


@given(st.text(min_size=8, max_size=30), st.binary(max_size=4), st.binary(max_size=4))
def test_every_form_that_programs_print_is_hidden(value: str, before: bytes, after: bytes):
    secrets = Secrets([("N", value)])
    plain = value.encode("utf-8", "surrogatepass")
    printed = [
        plain,
        json.dumps(value)[1:-1].encode(),
        json.dumps(json.dumps(value))[3:-3].encode(),
    ]
    printed += [quote(value, safe="", errors="replace").encode()]
    printed += [quote_plus(value, errors="replace").encode()]
    for form in printed:
        assert mark("N").encode() in secrets.raw(before + b" " + form + b" " + after)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert mark("N").encode() in secrets.raw(encode(before + plain + after))


def test_of_two_that_begin_alike_the_longer_is_meant():
    secrets = Secrets([("SHORT", "token-123"), ("LONG", "token-123456")])
    assert (
        secrets.text("a token-123456 b token-123 c") == "a [redacted: LONG] b [redacted: SHORT] c"
    )
    stream = Stream(secrets)
    assert stream.feed(b"a token-123") == b"a "
    assert stream.feed(b"45 ") == b"[redacted: SHORT]45 "


def test_a_mark_is_harmless_in_json():
    assert json.loads(f'"{mark(chr(34) + chr(10) + "A_KEY")}"') == "[redacted: ??A_KEY]"


def test_what_was_learned_stays_known():
    known = Known()
    known.learn({"API_KEY": "first-value-1"})
    held = known.secrets
    known.learn({"API_KEY": "first-value-1", "HOME": "/home/somebody"})
    assert known.secrets is held  # nothing new: nothing is built anew
    known.learn({"API_KEY": "second-value-2"})
    assert (
        known.secrets.text("first-value-1 second-value-2")
        == "[redacted: API_KEY] [redacted: API_KEY]"
    )


def test_what_the_person_calls_public_is_no_secret():
    known = Known()
    known.learn({"DB_PASSWORD": "dev-pass-1", "API_KEY": "real-key-1"})
    known.pardon(["DB_*"])
    known.learn({"DB_TOKEN": "dev-token-1"})
    told = "dev-pass-1 dev-token-1 real-key-1"
    assert known.secrets.text(told) == "dev-pass-1 dev-token-1 [redacted: API_KEY]"
    known.learn({"OTHER_KEY": "dev-pass-1"})
    assert known.secrets.text("dev-pass-1") == "[redacted: OTHER_KEY]"
    known.pardon([])
    assert known.secrets.text("dev-pass-1") == "[redacted: DB_PASSWORD]"


# --- which variables ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "PGPASSWORD", "MYSQL_PWD", "CLIENT_SECRET", "client_secret",
        "npm_config__authToken", "AWS_SECRET_ACCESS_KEY", "SENTRY_DSN", "SSH_PASSPHRASE", "GOOGLE_CREDENTIALS",
        "BASIC_AUTH", "privateKey", "OPENAI_APIKEY", "SESSION_COOKIE", "API_KEYS",
    ],
)  # fmt: skip
def test_these_names_are_of_secrets(name: str):
    assert variables.is_secret_name(name)
    assert dict(variables.secrets({name: "Zx81-value-77"})) == {name: "Zx81-value-77"}


@pytest.mark.parametrize(
    "name",
    [
        "KEYBOARD", "SSH_AUTH_SOCK", "KEY_FILE", "TOKEN_TYPE", "PUBLIC_KEY", "AUTH_MODE", "PWD", "OLDPWD",
        "MONKEY", "AUTHOR", "PASSAGE", "AWS_ACCESS_KEY_ID", "GIT_ASKPASS", "HOME", "PATH", "DESKTOP_SESSION",
    ],
)  # fmt: skip
def test_these_are_not(name: str):
    assert not variables.is_secret_name(name)
    assert not list(variables.secrets({name: "Zx81-value-77"}))


@pytest.mark.parametrize(
    "value",
    [
        "", "short-1", "true", "12345678901", "192.168.100.1", "postgres", "Development", "PRODUCTION",
        "/etc/ssl/private/server.key", "~/.config/keys/id_ed25519", "./keys/dev.pem", "your-api-key-here",
        "<put it here>", "${OTHER_KEY}", "changeme-please",
    ],
)  # fmt: skip
def test_these_values_are_what_stands_in_many_texts(value: str):
    assert not list(variables.secrets({"API_KEY": value}))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"DATABASE_URL": "postgres://app:s3cr3t-pw@db.example.com/x"}, {"s3cr3t-pw"}),
        ({"DATABASE_URL": "postgres://app:p%40ss-w0rd@db/x"}, {"p%40ss-w0rd", "p@ss-w0rd"}),
        ({"CALLBACK": "https://h/x?api_key=abc-12345&page=23456789"}, {"abc-12345"}),
        ({"SLACK_WEBHOOK": "https://hooks.example.com/T0/B1"}, {"https://hooks.example.com/T0/B1"}),
        ({"HOMEPAGE": "https://example.com/a/long/path"}, set()),
        ({"TOKEN_ENDPOINT": "https://example.com/oauth"}, set()),
        ({"ANYTHING": "ghp_" + "a1B2" * 9}, {"ghp_" + "a1B2" * 9}),
        ({"AUTHORIZATION": "Bearer abc.def-1234"}, {"Bearer abc.def-1234", "abc.def-1234"}),
        ({"BASIC_AUTH": "somebody:pa55word!"}, {"somebody:pa55word!", "pa55word!"}),
        ({"CONN": "Server=db;Password=Xy12-3456;Port=1433"}, {"Xy12-3456"}),
        ({"GCP": '{"type": "service_account", "private_key": "k-123456789"}'}, {"k-123456789"}),
        ({"AWS_SECRET_ACCESS_KEY": "/wJalrXUtnFEMI/K7MDENG/bPxRfiCYzz8811qqRT9"},
         {"/wJalrXUtnFEMI/K7MDENG/bPxRfiCYzz8811qqRT9"}),
        ({"DEPLOY_KEY": "-----BEGIN KEY-----\nMIIEow" + "Ab1+" * 4 + "\nsecond-line-9\n-----END KEY-----"},
         {"MIIEow" + "Ab1+" * 4, "second-line-9"}),
        ({"DEPLOY_KEY": "-----BEGIN KEY-----\\nMIIEowAb1+Ab1+\\n-----END KEY-----"}, {"MIIEowAb1+Ab1+"}),
        ({"API_KEY": "http://["}, {"http://["}),
    ],
)  # fmt: skip
def test_the_secret_part_of_a_value(environment: dict[str, str], expected: set[str]):
    assert {value for _, value in variables.secrets(environment)} == expected


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_any_environment_can_be_read(environment: dict[str, str]):
    for name, value in variables.secrets(environment):
        assert len(value) >= variables.SHORTEST
        assert name in environment
        assert "\n" not in value
