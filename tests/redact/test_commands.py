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
        ("pytest --token=hunter2 -k x", "hunter2"),
        ("aws --secret-key hunter2", "hunter2"),
        ("docker login -u me -p hunter2 registry", "hunter2"),
        ("sshpass -p hunter2 ssh host", "hunter2"),
        ("redis-cli -h host -a hunter2 ping", "hunter2"),
        ("curl -sS -u me:hunter2 host/x", "hunter2"),
        ("curl -H 'Authorization: Bearer hunter2' host/x", "hunter2"),
        ('curl -H "X-Api-Key: hunter2" host/x', "hunter2"),
        ("psql postgresql://me:hunter2@host/db", "hunter2"),
    ],
)
def test_a_password_is_hidden_in_its_place(command: str, secret: str):
    assert masked(command) == command.replace(secret, "•" * len(secret))


@pytest.mark.parametrize(
    "command",
    [
        "pytest -k 'test_password and not x' -p no:cacheprovider",
        "PASSWORD=$PW make; TOKEN=`cat t` make; SECRET=<yours> make",
        "docker login --password-stdin",
        "KEY_FILE=a make; pip install --no-cache-dir --key-file x",
        "mkdir -p secrets && grep -rn password= src",
        "git commit -m 'token: mend it'",
        "npm test -- --port 3306; mysql --port 3306",
        "curl -L https://host:8080/a@b",
    ],
)
def test_all_else_stays(command: str):
    assert masked(command) == command


@given(
    st.text("ab= -'\"pu:@/;$\n", max_size=60), st.sampled_from(["mysql ", "curl ", "TOKEN=", ""])
)
def test_nothing_moves_and_once_is_enough(text: str, before: str):
    once = masked(before + text)
    assert len(once) == len(before + text)
    assert masked(once) == once
