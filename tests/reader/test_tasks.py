"""The values of a task: what each attribute and element becomes, and what a bad one says."""

from __future__ import annotations

import pytest

from orchestrator.model import Estimate, Gate, Option, Tier
from tests.reader.plans import codes, one_task, read_plan, wrap

BODY = "<name>n</name>\n<action>x</action>"


def test_every_known_attribute_has_its_value() -> None:
    task = one_task(
        attributes='type="auto" subagent="bash" model="haiku" parallel="can-parallelize" depends-on="1, 2" '
        'context-mode="fresh" estimated-complexity="6" gate="advisory" tdd="true" id="t-1" risk="high" '
        'area="api" labels="a,b" worker="shell" timeout="15min" resources="db,port:8080" model_lock="true"'
    )
    assert (task.subagent, task.model, task.parallel) == ("bash", Tier.HAIKU, "can-parallelize")
    assert task.depends_on == ("1", "2")
    assert (task.context_mode, task.complexity, task.gate) == ("fresh", 6, Gate.ADVISORY)
    assert (task.tdd, task.alias, task.risk, task.area) == (True, "t-1", "high", "api")
    assert (task.labels, task.worker, task.timeout_s) == (("a", "b"), "shell", 900.0)
    assert (task.resources, task.model_lock) == (("db", "port:8080"), True)


def test_absent_attributes_are_none_and_an_empty_depends_on_is_not() -> None:
    task = one_task()
    assert (task.depends_on, task.model, task.timeout_s, task.files) == (None, None, None, None)
    assert one_task(attributes='depends-on=""').depends_on == ()


def test_underscores_and_single_quotes_are_accepted() -> None:
    task = one_task(attributes="depends_on='3' estimated_complexity=\"10\"")
    assert (task.depends_on, task.complexity) == (("3",), 10)
    assert set(task.attributes) == {"depends-on", "estimated-complexity"}


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ('estimated-complexity="0"', "T303"),
        ('estimated-complexity="11"', "T303"),
        ('estimated-complexity="six"', "T303"),
        ('estimated-complexity="\u0666"', "T303"),
        ('model="gpt-9"', "T304"),
        ('review="gpt-9"', "T304"),
        ('gate="maybe"', "T305"),
        ('timeout="soon"', "T306"),
        ('timeout="0"', "T306"),
        ('parallel="yes"', "T307"),
        ('context-mode="warm"', "T308"),
        ('tdd="perhaps"', "T309"),
    ],
)
def test_a_bad_value_is_an_error_at_its_attribute_and_the_plan_is_still_read(
    attribute: str, code: str
) -> None:
    found = read_plan(wrap(BODY, attributes=attribute))
    assert [(d.code, d.line, d.column) for d in found.errors] == [(code, 2, 7)]
    assert found.plan is not None


def test_an_unknown_attribute_is_kept_and_said_once() -> None:
    text = wrap(BODY, attributes='colour="red"').replace("</tasks>\n", "") + wrap(
        BODY, attributes='colour="blue"'
    ).removeprefix("<tasks>\n")
    found = read_plan(text)
    assert codes(found) == ["S110"]
    assert [task.attributes["colour"] for task in found.plan.tasks] == ["red", "blue"]


def test_an_automatic_task_needs_a_name_and_an_action() -> None:
    assert [d.code for d in read_plan(wrap("<done>d</done>")).errors] == ["T302"]
    assert [d.code for d in read_plan(wrap("<action>d</action>")).diagnostics] == ["T301"]
    assert (
        read_plan(
            wrap("<what-built>w</what-built>", attributes='type="checkpoint:human-verify"')
        ).errors
        == ()
    )


@pytest.mark.parametrize(
    ("text", "timeout_s"),
    [("90", 90), ("90s", 90), ("15min", 900), ("15 m", 900), ("1h", 3600), ("1h30m", 5400)],
)
def test_timeouts_are_seconds(text: str, timeout_s: float) -> None:
    assert one_task(attributes=f'timeout="{text}"').timeout_s == timeout_s


@pytest.mark.parametrize(
    ("name", "label", "title"),
    [
        ("Task 4: Do it", "4", "Do it"),
        ("Task 1a: Do it", "1a", "Do it"),
        ("Task 86 (RED): Do it", "86", "Do it"),
        ("Task 37-01-1: Do: it", "37-01-1", "Do: it"),
        ("Checkpoint: look", None, "Checkpoint: look"),
        ("Task force meets", None, "Task force meets"),
        ("\n  Task 2: Two\n lines\n", "2", "Two lines"),
    ],
)
def test_labels_come_from_names(name: str, label: str | None, title: str) -> None:
    task = one_task(name=name)
    assert (task.label, task.title) == (label, title)
    assert task.name == name


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("Makefile", ("Makefile",)),
        ("run, LICENSE", ("run", "LICENSE")),
        ("src/a.ts, src/b.ts", ("src/a.ts", "src/b.ts")),
        ("\n  src/a.ts\n  src/b.ts,\n", ("src/a.ts", "src/b.ts")),
        ("\n- `src/a.ts` (new)\n* src/b.ts - the model\n", ("src/a.ts", "src/b.ts")),
        ("src/a.ts (modify, add X), b.py", ("src/a.ts", "b.py")),
        ("app/(auth)/page.tsx", ("app/(auth)/page.tsx",)),
        ("src/{a,b}.ts, **/*.py", ("src/{a,b}.ts", "**/*.py")),
        ("Makefile, .gitignore, justfile", ("Makefile", ".gitignore", "justfile")),
        ("Create: src/a.ts", ("src/a.ts",)),
        ("old/a.md -> new/a.md", ("old/a.md", "new/a.md")),
        ("a/b.c a/d.e", ("a/b.c", "a/d.e")),
        ("a/b.c, a/b.c", ("a/b.c",)),
        ("none", ()),
        ("N/A", ()),
        ("(none - verification only)", ()),
        ("<!-- nothing -->", ()),
        ("", ()),
        ("whatever the check needs", None),
    ],
)
def test_files_are_paths_or_unknown(text: str, files: tuple[str, ...] | None) -> None:
    assert one_task(f"<files>{text}</files>").files == files


def test_metrics_are_ranges() -> None:
    task = one_task(
        "<metrics>\n<estimated-tokens>5000-8000</estimated-tokens>\n"
        "<estimated-duration>15-30min</estimated-duration>\n</metrics>"
    )
    assert task.estimated_tokens == Estimate(low=5000, high=8000)
    assert task.estimated_duration_s == Estimate(low=900, high=1800)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("5,000", 5000, 5000), ("5k - 8k tokens", 5000, 8000), ("~12000", 12000, 12000)],
)
def test_token_estimates_in_other_spellings(text: str, low: float, high: float) -> None:
    task = one_task(f"<metrics><estimated-tokens>{text}</estimated-tokens></metrics>")
    assert task.estimated_tokens == Estimate(low=low, high=high)


def test_an_estimate_that_says_nothing_is_a_warning() -> None:
    found = read_plan(
        wrap(
            "<name>n</name>\n<action>x</action>\n<metrics>\n<estimated-duration>a while</estimated-duration>\n</metrics>",
        )
    )
    assert [(d.code, d.line) for d in found.diagnostics] == [("T310", 6)]


def test_the_options_of_a_decision_are_read() -> None:
    task = one_task(
        '<options>\n  <option id="a">\n    <name>One way</name>\n    <pros>p</pros>\n    <cons>c</cons>\n  </option>\n'
        '  <option id="b"><name>Other</name></option>\n</options>',
        attributes='type="checkpoint:decision" gate="blocking"',
    )
    assert task.options == (Option(id="a", name="One way"), Option(id="b", name="Other"))
    assert task.is_checkpoint


def test_ids_are_the_plan_and_the_ordinal() -> None:
    task = one_task()
    assert (task.id, task.ordinal) == ("a/1", 1)


def test_unknown_elements_are_kept_as_written() -> None:
    task = one_task("<moon>a < b</moon>")
    assert [(e.tag, e.text) for e in task.elements][-1] == ("moon", "a < b")
