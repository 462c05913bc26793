"""Passwords in commands, by where they stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.redact.commands import masked


@pytest.mark.parametrize(
    ("command", "secret"),
    [
        ("mysql -phunter2 -e x", "hunter2"),
        ("mysqldump -u root -P 3306 -p'hunter 2' db", "hunter 2"),
        ("PGPASSWORD=hunter2 make test", "hunter2"),
        ('export API_KEY="a hunter2"; make', "a hunter2"),
        ("make test SECRET=hunter2", "hunter2"),
        (r"PASSWORD=abc\ hunter2 ./x", r"abc\ hunter2"),
        ("export TOKEN='abc'\"hunter2\"", "'abc'\"hunter2\""),
        ("PASSWORD=abc'def'ghi x", "abc'def'ghi"),
        ("PASSWORD='$hunter2' x", "$hunter2"),
        ("API_KEY=%hunter2% x", "%hunter2%"),
        ("TOKEN=change-hunter2 x", "change-hunter2"),
        ("PASSWORD='never closed", "'never closed"),
        ("pytest --token=hunter2 -k x", "hunter2"),
        ("aws --secret-key hunter2", "hunter2"),
        ("aws configure set aws_secret_access_key hunter2", "hunter2"),
        ("docker login -u me -p hunter2 registry", "hunter2"),
        ("sshpass -p hunter2 ssh host", "hunter2"),
        ("redis-cli -h host -a hunter2 ping", "hunter2"),
        ("curl -sS -u me:hunter2 host/x", "hunter2"),
        ('curl -u "me:hunter2" host/x', "hunter2"),
        ("curl --user 'me:hunter2' host/x", "hunter2"),
        ("curl -sSu me:hunter2 host/x", "hunter2"),
        ("curl -H 'Authorization: Bearer hunter2' host/x", "hunter2"),
        ('curl -H "X-Api-Key: hunter2" host/x', "hunter2"),
        ("curl -H 'apikey: hunter2' host/x", "hunter2"),
        ("curl -H 'Cookie: a=b; session=hunter2' host/x", "a=b; session=hunter2"),
        ("""curl -d '{"user": "me", "password": "hunter2"}' host/x""", "hunter2"),
        (r'curl -d "{\"api_key\": \"hunter2\"}" host/x', "hunter2"),
        ("psql postgresql://me:hunter2@host/db", "hunter2"),
        ("psql postgres://me:hun@ter2@host/db", "hun@ter2"),
        ("git clone https://a1B2c3D4e5F6g7@host/x", "a1B2c3D4e5F6g7"),
        ("make KEY=a1B2c3D4e5F6g7 test", "a1B2c3D4e5F6g7"),
    ],
)
def test_a_password_is_hidden_in_its_place(command: str, secret: str):
    assert masked(command) == command.replace(secret, "•" * len(secret))


@pytest.mark.parametrize(
    "command",
    [
        "pytest -k 'test_password and not x' -p no:cacheprovider",
        'PASSWORD=$PW make; TOKEN="${T}" make; TOKEN=`cat t` make; SECRET=<yours> make',
        "docker login --password-stdin",
        "KEY_FILE=a make; pip install --no-cache-dir --key-file x",
        "mkdir -p secrets && grep -rn password= src",
        "git commit -m 'token: mend it'",
        "npm test -- --port 3306 --auth none; mysql --port 3306",
        "curl -L https://host:8080/a@b; git clone ssh://git@host/x",
        "sort --key 2 f; make KEY=val test; npm test -- --sig x",
        """jq 'select(.token=="x")' f""",
        "pip install --user pytest; python -u x.py",
    ],
)
def test_all_else_stays(command: str):
    assert masked(command) == command


TEXTS = st.text("ab= -'\"\\pu:@/;$\n{", max_size=60)


@given(TEXTS, st.sampled_from(["mysql ", "curl ", "TOKEN=", '"token": "', "Cookie:", ""]))
def test_nothing_moves_and_once_is_enough(text: str, before: str):
    once = masked(before + text)
    assert len(once) == len(before + text)
    assert masked(once) == once


@pytest.mark.parametrize(
    "piece",
    ["a", "a-", "A=b ", "curl ", "mysql -p x ", "http://a:", "a+", "--pass ", "token:", "'", '"', "\\", '"a":', "Cookie:", "PASSWORD='"],
)  # fmt: skip
def test_long_texts_take_no_more_than_their_length(piece: str):
    """What is quadratic takes longer than any test may."""
    text = "X=1;" + piece * (200_000 // len(piece))
    assert len(masked(text)) == len(text)
