"""Plans broken by hand, and traps that only look broken: exactly what is said of each, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.model import PlanId
from orchestrator.model.codes import CODES
from orchestrator.reader import read
from tests.lint.test_pages import UNSHOWN
from tests.lint.whole import lint_files

BROKEN = Path(__file__).with_name("broken")
EXPECTED: dict[str, list[str]] = json.loads((BROKEN / "expected.json").read_text("utf-8"))


# What stands in the one task of a trap, as the agent or the shell gets it.
READ = {
    "01-04-phase-of-words": ("action", "Write it."),
    "bare-ampersands": ("action", "Run a && b & c, then AT&T."),
    "byte-order-mark": ("action", "Write it."),
    "cdata": ("check", " a && b < c "),
    "crlf": ("action", "Write it."),
    "emoji-and-cjk": ("name", "Task 1: 修正 🙂 <b>"),
    "entities": ("action", "&nbsp; &middot; &amp;&amp; a&b;"),
    "exit-before-the-last-echo": ("check", "test -f a || exit 1; echo ok"),
    "failing-branch": ("check", "make test || { echo no; exit 1; }"),
    "generics": ("action", "Use Map<K, V>, std::array<int, 3> and List<Foo>."),
    "heredoc": ("action", "cat > x <<'EOF'\n<html>\nEOF"),
    "home-in-a-grep": ("check", "! grep -rn '/Users/bob' src"),
    "html": ("action", '<div class="a">\n<p>hello\n<br>\n</div>'),
    "html-comment-with-dashes": ("action", "Write it."),
    "jsx": ("action", "<Card title={x}>\n  <>\n  <Button/>\n  </>\n</Card>"),
    "less-than-operators": ("action", "if x < 5 and y <= 3: a << 2 <- b <=> c"),
    "mixed-case-text": ("action", "A <Task> in a JSX file and a <TASK> too"),
    "no-final-newline": ("action", "Write it."),
    "octal-like-numbers": ("action", "Write it."),
    "php-and-doctype-in-text": ("action", "write `<?php echo 1 ?>` and <!DOCTYPE html>"),
    "pipe-that-can-fail": ("check", "make test 2>&1 | grep -q passed"),
    "placeholder-tags": ("action", "export ID=<fill_in>; {type}(<scope>): <like-this>"),
    "regular-expression": ("action", "grep -E '[^\"<>]+' && sed 's/<a>/<b>/'"),
    "sentinel-free-variable": ("check", "MISSING=1 make test"),
    "server-in-a-grep": ("check", "grep -q 'npm run dev' README.md"),
    "single-quotes": ("action", "Write it."),
    "summary-as-a-word": ("action", "Write it."),
    "tabs": ("action", "Write it."),
    "tag-named-in-a-grep": ("check", 'grep -c "<automated>" x.md'),
    "test-before-a-pipe": ("check", "test -f a && make 2>&1 | tail -5"),
    "two-folders": ("check", "cd web && npm test; cd ../api && go test ./..."),
    "unbalanced-fence": ("action", "````\n```js\nx\n```"),
}
MANY = {"checkpoint-between": 3, "underscores": 2, "file-with-brackets": 1}


def test_there_are_many_of_them_and_each_has_its_expectation():
    there = {path.name.removesuffix("-PLAN.md") for path in BROKEN.iterdir()}
    assert there - {"expected.json"} == set(EXPECTED)
    assert sum(bool(expected) for expected in EXPECTED.values()) >= 60
    assert sum(not expected for expected in EXPECTED.values()) >= 25


def test_every_rule_that_a_text_can_break_is_broken_somewhere():
    broken = {row.split()[-1] for rows in EXPECTED.values() for row in rows}
    assert set(CODES) - broken <= UNSHOWN


@pytest.mark.parametrize("name", EXPECTED)
def test_exactly_what_is_wrong_is_said_where_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    folder = BROKEN / name
    said = lint_files(tmp_path, files(name))
    found = [
        f"{f'{one.file}:' * folder.is_dir()}{one.line}:{one.column} {one.code}" for one in said
    ]
    assert sorted(found) == sorted(EXPECTED[name])


def files(name: str) -> dict[str, bytes]:
    """One plan, or a folder of plans that are wrong together."""
    folder = BROKEN / name
    if not folder.is_dir():
        return {f"{name}-PLAN.md": (BROKEN / f"{name}-PLAN.md").read_bytes()}
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.md")}


def test_each_trap_is_read_as_it_was_meant():
    traps = {name for name, rows in EXPECTED.items() if not rows}
    assert {name for name in traps if not (BROKEN / name).is_dir()} == {*READ, *MANY}
    for name in traps & {*READ, *MANY}:
        (content,) = files(name).values()
        found = read(content, name, id=PlanId(name), max_bytes=10_000, max_tasks=10).plan
        assert found is not None
        assert len(found.tasks) == MANY.get(name, 1), name
        if name in READ:
            part, text = READ[name]
            (task,) = found.tasks
            whole = {"check": "".join(task.commands), "action": task.action, "name": task.name}
            assert text.strip() in whole[part].replace("\r\n", "\n"), name


def test_brackets_in_a_file_name_stay():
    (content,) = files("file-with-brackets").values()
    found = read(content, "x", id=PlanId("x"), max_bytes=10_000, max_tasks=10).plan
    assert found is not None
    assert found.tasks[0].files == ("app/[id]/(auth)/page.tsx",)
