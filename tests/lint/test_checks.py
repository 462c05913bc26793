"""Checks: which commands never end, leave the project, or name one machine; by words of bash, not by text."""

from __future__ import annotations

import pytest

from orchestrator.lint import Known, checks
from tests.build import plan, task

ROOT = "/srv/app"


def said(command: str, code: str) -> list[str]:
    one = plan(task(1, commands=(command,)))
    return [d.message for d in checks.check(one, Known(root=ROOT)) if d.code == code]


@pytest.mark.parametrize(
    "command",
    [
        "npm run dev", "cd web && npm run dev", "yarn start", "npx vite", "vite --port 3000",
        "make && tail -f log.txt", "tail -n 5 -F log.txt", "jest --watch", "npx tsc -w",
        "docker compose up", "docker compose -f a.yml up", "kubectl logs -f pod", "sleep infinity",
        "uvicorn app:app", "python3 -m http.server 80", "npm run dev | head -5",
    ],
)  # fmt: skip
def test_what_runs_for_ever_is_said(command: str):
    assert said(command, "V908")


@pytest.mark.parametrize(
    "command",
    [
        "npm run dev:check", "npm run start-db", "npm run dev & sleep 2; curl -sf localhost",
        "timeout 9 npm start", "grep -q 'npm run dev' README.md", "grep -c 'tail -f' a.sh",
        "grep -q -- '--watch' package.json", "npm test -- --watch=false", "vite build", "vitest run",
        "docker compose up -d", "python -c 'import uvicorn'", "tail -5 log.txt", "ls --watchman",
    ],
)  # fmt: skip
def test_what_ends_or_is_only_named_is_not_said_to_run_for_ever(command: str):
    assert not said(command, "V908")


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("cd /opt && make", "/opt"),
        (f"cd {ROOT}lication && make", f"{ROOT}lication"),
        (f"cd {ROOT}/../other && make", f"{ROOT}/../other"),
        ("cd ~ && make", "~"),
        ('cd "$HOME/x" && make', "$HOME/x"),
        ("cd .. && make", ".."),
        ("cd src && cd ../.. && make", "../.."),
        ("(cd 'C:\\x' && make)", "C:\\x"),
        (f"cd {ROOT}/a && cd ../..", "../.."),
    ],
)
def test_a_check_that_goes_out_of_the_project_is_said(command: str, place: str):
    (message,) = said(command, "V904")
    assert f"goes to {place}, outside" in message


@pytest.mark.parametrize(
    "command",
    [
        "cd web && npm test; cd ../api && go test ./...", "cd a/b && make && cd ../.. && ls",
        f"cd {ROOT} && make", f"cd '{ROOT}/web' && cd .. && make", 'cd "$(mktemp -d)" && cd .. && ls',
        "cd $DIR/.. && make", "cd - && make", "grep -q 'cd /opt' a.sh", "cd a..b",
    ],
)  # fmt: skip
def test_what_stays_in_the_project_or_is_computed_is_not(command: str):
    assert not said(command, "V904")


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("test -f /Users/bob/x", "/Users/bob"),
        ("cat C:\\Users\\bob\\x", "C:\\Users\\bob"),
        ("grep -q /home/bob /home/ann/x", "/home/ann"),
        ("ls /root/x", "/root"),
    ],
)
def test_a_place_on_one_machine_is_said(command: str, place: str):
    (message,) = said(command, "V905")
    assert f"names {place}," in message


@pytest.mark.parametrize(
    "command",
    ["! grep -rn '/Users/bob' src", "grep -c /home/runner ci.yml", "ls /rooted", "cat ~/x",
     "ls src/home/bob", "curl https://x.io/home/bob"],
)  # fmt: skip
def test_what_is_only_looked_for_is_no_place(command: str):
    assert not said(command, "V905")


def test_the_projects_own_root_is_no_other_machine():
    inside = plan(task(1, commands=("test -f /home/bob/app/x",)))
    assert not [d for d in checks.check(inside, Known(root="/home/bob/app")) if d.code == "V905"]


def test_a_check_that_is_no_sound_shell_is_not_judged():
    assert not said("echo 'open", "V903")


def test_a_secret_in_a_check_is_not_quoted():
    secret = "gh" + "p_" + "aB3xK9" * 6
    (message,) = said(f"make; echo {secret}", "V903")
    assert "echo ghp_•" in message
    assert secret[:6] not in message
