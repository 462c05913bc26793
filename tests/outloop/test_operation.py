"""Commands as operations: golden ones, any text, and a sample of real ones that was read by a person's rules first."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.outloop import operation
from orchestrator.outloop.operation import main_operation, operations
from orchestrator.outloop.programs import VERBS

SAMPLE = Path(__file__).with_name("sample.jsonl")
GOLDEN = {
    # the seed's own
    "pytest backend": "test:pytest:backend",
    "cd backend && pytest": "test:pytest:backend",
    "cd frontend && npm run typecheck": "build:typecheck:frontend",
    "cd frontend && npx tsc --noEmit": "build:tsc:frontend",
    "npx prettier --write .": "format:prettier:all",
    # one operation in many words
    "pytest -n4 -x -q tests/unit": "test:pytest:tests",
    "python -m pytest tests/unit": "test:pytest:tests",
    "FOO=1 BAR='x y' sudo timeout 60 python3 -m pytest tests/a.py::T::test_b": "test:pytest:tests:a.py",
    "bash -lc 'cd backend && pytest -q'": "test:pytest:backend",
    "uv run pytest tests/unit -k 'a and b' 2>&1 | tail -20": "test:pytest:tests",
    "uv run --directory backend pytest": "test:pytest:backend",
    "coverage run -m pytest tests": "test:pytest:tests",
    "docker compose exec web pytest tests": "test:pytest:tests",
    "for f in a b; do pytest $f; done": "test:pytest:all",
    "bin/rails test": "test:rails:all",
    "python3 -m unittest discover -s backend": "test:unittest:backend",
    "python -m unittest discover": "test:unittest:all",
    "python manage.py test shop.tests": "test:manage:shop:tests",
    "./tests/runtests.py admin_views.tests -v 2": "test:runtests:admin_views:tests",
    "cd tests && ./runtests.py admin_views.tests": "test:runtests:admin_views:tests",
    "cd shop && python3 manage.py migrate": "run:manage:shop:migrate",
    "sphinx-build -b text manual manual/_build": "build:sphinx:manual",
    "python test_edge_cases.py": "test:python:all:test_edge_cases.py",
    "npx vitest run src/a.test.ts": "test:vitest:src:a.test.ts",
    "npm ci && npm run build && npm test": "test:npm:all",
    "npm run test:unit -- --watch=false": "test:npm:all:test-unit",
    "pnpm --filter @acme/web test": "test:pnpm:web",
    "(cd frontend && npm test); ls": "test:npm:frontend",
    "yarn workspace api lint": "lint:yarn:api",
    "make -j4 lint test": "test:make:all",
    "cargo test -p core": "test:cargo:core",
    "go test ./pkg/store/... -run TestX": "test:go:pkg",
    "mvn -q clean test": "test:mvn:all",
    "./gradlew :app:test": "test:gradle:app",
    # the other verbs
    "make -C docs html": "build:make:docs:html",
    "yarn build": "build:yarn:all",
    "mvn -pl core install": "build:mvn:core",
    "docker build -t x .": "build:docker:all",
    "uv run python -m mypy src": "build:mypy:src",
    "cd docs && sphinx-build -M html . _build": "build:sphinx:docs",
    "poetry run black --check src": "lint:black:src",
    "ruff check src --fix": "lint:ruff:src",
    "ruff format .": "format:ruff:all",
    "cargo fmt": "format:cargo:all",
    "cargo fmt -- --check": "lint:cargo:all",
    "python3 -m pylint --rcfile=x src/a.py": "lint:pylint:src:a.py",
    "uv pip install -r requirements.txt": "install:pip:all:requirements.txt",
    "pip install 'numpy<2'": "install:pip:all:numpy",
    "python3 reproduce.py": "run:python:all:reproduce.py",
    "cat <<'E' > a.py\nprint(1)\nE\npython a.py": "run:python:all:a.py",
    "cd it && ./run.sh": "run:bash:it:run.sh",
    "python - <<'E'\nprint(1)\nE": "run:python:all:inline",
    "python -c \"open('a.txt', 'w').write('x')\"": "edit:python:all:inline",
    "curl -O http://localhost/a.txt": "fetch:curl:all",
    "cat <<'E' > src/a.py\nprint(1)\nE": "edit:cat:src:a.py",
    "cat <<'E' > src/a.py\nit was cut": "edit:cat:src:a.py",
    "perl -pi -e 's/a/b/' src/a.py": "edit:perl:src:a.py",
    "perl -ne 'print' src/a.py": "read:perl:src:a.py",
    "cat ' /a.py'": "read:cat:_:a.py",
    "echo a >> src/a.txt": "edit:echo:src:a.txt",
    "sed -i 's/a/b/' src/a.py && sed -n 1,5p src/a.py": "edit:sed:src:a.py",
    "find src -name '*.ts' -exec sed -i s/a/b/ {} \\;": "edit:sed:src",
    "apply_patch <<'E'\n*** Begin Patch\n*** Update File: src/a.py\n@@\n*** End Patch\nE": "edit:apply_patch:src:a.py",
    "echo DONE && git add -A && git diff --cached": "vcs:git-diff:all",
    "git -C backend diff HEAD~1 -- src/a.py": "vcs:git-diff:backend:a.py",
    "git show HEAD:django/db/models.py": "vcs:git-show:django:models.py",
    "mkdir -p a/b && touch a/b/c.py": "files:touch:a:c.py",
    "rm -rf build a.py": "files:rm:all",
    "grep -rn -A 3 'def x' src/a.py | head": "search:grep:src:a.py",
    "cat src/a.py | grep x": "search:grep:src:a.py",
    "find src -name '*.py' | xargs grep -n foo": "search:grep:src",
    "sed -n '1,20p' src/a/b.py": "read:sed:src:b.py",
    "nl -ba src/a.py | sed -n '1,20p'": "read:nl:src:a.py",
    "pip freeze | grep x": "read:pip-freeze:all",
    "ls -la": "read:ls:all",
    "pytest --version": "read:pytest:all",
}
NOTHING = {
    "": operation.EMPTY,
    "# only a comment\n": operation.EMPTY,
    "cd src": operation.STAGE_ONLY,
    "export A=1; A=2": operation.STAGE_ONLY,
    "...": operation.STAGE_ONLY,
    "src/": operation.STAGE_ONLY,
    "echo done": operation.STAGE_ONLY,
    "source .venv/bin/activate && sleep 3": operation.STAGE_ONLY,
    ") x (": operation.UNREADABLE,
}


def told(script: str, root: str = "") -> str:
    found = main_operation(script, root)
    return found if isinstance(found, str) else found.signature


@pytest.mark.parametrize(("script", "signature"), GOLDEN.items())
def test_s3_09_golden_commands(script: str, signature: str):
    assert told(script) == signature


@pytest.mark.parametrize(("script", "reason"), NOTHING.items())
def test_what_is_no_operation_has_a_reason(script: str, reason: str):
    assert main_operation(script) == reason
    assert operations(script) == []


def test_all_operations_are_told_in_order():
    found = [one.signature for one in operations("npm ci && (cd web && npm test) && git add a.py")]
    assert found == ["install:npm:all", "test:npm:web", "vcs:git-add:all:a.py"]


def test_the_strongest_verb_counts_and_of_several_the_last():
    lines = {"test": "pytest", "build": "tsc", "lint": "eslint .", "format": "black .",
             "install": "pip install x", "run": "python x.py", "fetch": "curl x", "edit": "sed -i s/a/b/ x",
             "vcs": "git diff", "files": "rm x", "search": "grep x y", "read": "cat x"}  # fmt: skip
    assert tuple(lines) == VERBS
    for place, verb in enumerate(VERBS):
        weaker = [lines[each] for each in VERBS[place:]]
        assert told("; ".join(weaker)).partition(":")[0] == verb
        assert told("; ".join(reversed(weaker))).partition(":")[0] == verb
    assert told("cat a/x.py; cat b/y.py") == "read:cat:b:y.py"


def test_absolute_paths_are_seen_from_the_projects_folder():
    assert (
        told("cd /home/me/shop/backend && pytest tests", "/home/me/shop") == "test:pytest:backend"
    )
    assert told("cat /home/me/shop/src/a.py", "/home/me/shop/") == "read:cat:src:a.py"
    assert told("cat /tmp/a.py", "/home/me/shop") == "read:cat:/tmp:a.py"
    assert told("cd /home/me/shop && pytest tests") == "test:pytest:tests"  # the first one entered
    assert told("cat ../other/a.py") == "read:cat:..:a.py"


ANY = st.sampled_from([*" \n;|&<>$`'\"\\(){}#*", "<<E", "\nE\n", "${", "$(", "cd ", "-c ", "bash "])
NAMES = st.sampled_from(
    [
        "git",
        "find",
        "sed",
        "npm",
        "make",
        "cargo",
        "pip",
        "perl",
        "node",
        "uv",
        "xargs",
        "env",
        "docker",
        "pytest",
    ]
)


@given(st.lists(ANY | NAMES | st.characters(), max_size=30).map("".join))
@example("bash -c 'bash -c \"bash -c ls\"'")
@example("git")
@example("sed")
def test_no_text_breaks_it(text: str):
    found = main_operation(text)
    if isinstance(found, str):
        assert found in (operation.EMPTY, operation.STAGE_ONLY, operation.UNREADABLE)
    else:
        assert found in operations(text)
        assert found.verb in VERBS
        assert found.signature.count(":") in (2, 3)
        assert not set(found.signature) & set(" \n\t")


FLAGS = st.sampled_from(["-x", "-q", "-n4", "-n 4", "-vv", "--tb=short", "--tb short", "-k 'a or b'", "-p no:cacheprovider", "--maxfail 2"])  # fmt: skip
AROUND = st.sampled_from(["", "CI=1 ", "timeout 60 ", "time ", "sudo -u me ", "uv run ", "env A=b ", "nice -n 5 "])  # fmt: skip


@given(st.lists(FLAGS), st.lists(FLAGS), AROUND, st.sampled_from(["pytest", "python -m pytest"]))
def test_s3_09_flags_and_wrappers_change_no_signature(
    before: list[str], behind: list[str], around: str, program: str
):
    script = around + " ".join([program, *before, "tests/unit/test_a.py", *behind])
    assert told(script) == "test:pytest:tests:test_a.py"


@pytest.fixture(scope="module")
def commands(shared: Path) -> list[str]:
    with gzip.open(shared / "data/routing/commands.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["c"] or "" for line in lines]


def test_s3_14_every_real_command_has_a_signature_or_a_reason(commands: list[str]):
    assert len(commands) == 20_163
    found = [main_operation(one, "/testbed") for one in commands]
    reasons = [one for one in found if isinstance(one, str)]
    assert set(reasons) <= {operation.EMPTY, operation.STAGE_ONLY, operation.UNREADABLE}
    assert len(reasons) < len(found) / 500


def test_of_200_that_were_read_by_hand_95_percent_are_right(commands: list[str]):
    sample = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    assert len({one["row"] for one in sample}) == 200
    wrong = [
        (one, found)
        for one in sample
        if (found := told(commands[one["row"]], "/testbed")) != one["signature"]
    ]
    assert len(wrong) <= 10, wrong


def test_what_is_nested_deep_is_read_in_bounded_time():
    started = time.process_time()
    operations("echo $(ls; " * 450 + ")" * 4500)
    assert time.process_time() - started < 0.2


def test_what_stands_before_the_cut_counts():
    script = "pytest backend\n" + "echo word " * 1000
    assert [one.signature for one in operations(script)] == ["test:pytest:backend"]


def test_no_signature_holds_an_address_or_a_key():
    key = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3gH5"
    texts = (f"npm install https://me:{key}@git.example.org/x", f"pip install {key}", f"make {key}")
    for text in texts:
        for one in operations(text):
            assert key not in one.signature
            assert "//" not in one.signature
