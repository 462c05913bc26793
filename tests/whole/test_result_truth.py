"""What the command says of a run is so, in git and for a fresh clone: any plan, workers that know nothing of us, any kill.

`ORCHESTRATOR_TRUTH_EXAMPLES=200` looks at so many cases; `ORCHESTRATOR_TRUTH_KEEP=FOLDER` leaves those there that failed.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from orchestrator.model import EventKind
from tests.whole.repositories import (
    LINES,
    SHARED,
    Case,
    Checkout,
    Death,
    Kill,
    Scratch,
    Step,
    differences,
)

pytestmark = pytest.mark.timeout(180)  # several engines each, beside others
EXAMPLES = int(os.environ.get("ORCHESTRATOR_TRUTH_EXAMPLES", "12"))
TOGETHER = 'parallel="can-parallelize"'
KINDS = (
    EventKind.RUN_STARTED, EventKind.ATTEMPT_STARTED, EventKind.WORKSPACE_READY, EventKind.WORK_KEPT, EventKind.VERIFIED,
    EventKind.LANDING, EventKind.ATTEMPT_FINISHED, EventKind.RESULT_CHECKING, EventKind.SUMMARISING, EventKind.DELIVERING,
    EventKind.DELIVERED, EventKind.RUN_FINISHED,
)  # fmt: skip


# --- any case ------------------------------------------------------------------------------------


@st.composite
def any_step(draw: st.DrawFn, number: int, count: int) -> Step:
    own, inner = f"new-{number}.txt", f"nested-{number}/inner.txt"
    files = draw(st.lists(st.sampled_from((*SHARED, own)), min_size=1, max_size=2, unique=True))
    words = [f"{draw(any_edit)} {file}" for file in files]
    gone = draw(rarely(*SHARED, many=5))
    if gone and gone not in files:
        words.append(f"{draw(st.sampled_from(('remove', 'move')))} {gone}")
    if draw(rarely("nest")):
        words.append(f"nest {inner}")
        files.append(inner)
    words.insert(draw(st.integers(0, len(words))), draw(rarely("sleep 0.2", many=2)))
    words.insert(draw(st.integers(0, len(words))), draw(rarely("blind", many=10)))
    words.append(draw(rarely("commit", "branch", "anew")))
    words.append(draw(rarely("lock", many=10)))
    words.append(draw(rarely("if test $tries = 0; then exit 1; fi", "exit 1", many=12)))
    seen = draw(st.sampled_from(files))
    checks = [f"grep -rq ^T{number}- {seen}", *draw(any_further_checks(number, count))]
    named = {file for file in (*SHARED, *files) if any(file in check for check in checks)}
    every = {*files, *filter(None, [gone])} | named
    # A file that a check names and that is not declared is put back before the check: never let it be.
    declared = draw(st.sampled_from((None, None, tuple(sorted(every)), tuple(sorted(named)))))
    return Step(
        script="\n".join(filter(None, words)),
        checks=tuple(checks),
        files=declared,
        waits=draw(any_waits(number)),
        is_agent=draw(st.booleans()),
    )


any_edit = st.sampled_from((*["append"] * 6, *["prepend"] * 4, "replace", "folder"))


def rarely(*words: str, many: int = 5) -> st.SearchStrategy[str]:
    """One of them about once in so many cases; else nothing."""
    return st.integers(1, many).flatmap(
        lambda n: st.sampled_from(words) if n == many else st.just("")
    )


def any_further_checks(number: int, count: int) -> st.SearchStrategy[list[str]]:
    """What others can make untrue, before the task or after it."""
    others = st.sampled_from([one for one in range(1, count + 1) if one != number])
    wild = st.one_of(
        st.sampled_from(SHARED).map("test -s {}".format),
        others.map("! test -e new-{}.txt".format),
        st.builds("! grep -q ^T{}- {}".format, others, st.sampled_from(SHARED)),
    )
    return st.integers(0, 3).flatmap(lambda n: st.just([]) if n else wild.map(lambda one: [one]))


def any_waits(number: int) -> st.SearchStrategy[str]:
    """None of its own: it keeps the order of the text."""
    if number == 1:
        return st.sampled_from(("", TOGETHER))
    earlier = st.lists(st.integers(1, number - 1), min_size=1, max_size=2, unique=True)
    named = earlier.map(lambda some: f'depends-on="{", ".join(map(str, sorted(some)))}"')
    return st.sampled_from(("", TOGETHER, TOGETHER)) | named


any_kill = st.builds(
    Kill,
    st.sampled_from((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)),
    st.integers(1, 45) | st.sampled_from(KINDS),
    st.sampled_from((0.0, 0.0, 0.01, 0.05, 0.2)),
)
any_death = st.builds(Death, st.integers(0, 150), st.sampled_from(("before", "after")))


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    count = draw(st.integers(2, 6))
    dirt = draw(st.sampled_from(("", "", "modified", "untracked", "staged")))
    dirty = {
        "modified": ("notes.txt", "shared.txt"),
        "untracked": ("mine.txt", "new-1.txt"),
        "staged": ("staged.txt", "shared.txt"),
    }
    look_s = draw(st.sampled_from((5, 0.1)))
    scope = draw(st.sampled_from(("record", "record", "serialise", "refuse")))
    return Case(
        steps=tuple(draw(any_step(number, count)) for number in range(1, count + 1)),
        verification=draw(st.sampled_from(("", "test -s shared.txt", "grep -q ^T1- *.txt"))),
        dirt=dirt,
        dirty_file=draw(st.sampled_from(dirty.get(dirt, ("notes.txt",)))),
        include_dirty=draw(st.booleans()),
        is_detached=draw(st.integers(0, 5)) == 0,
        workers=draw(st.sampled_from((5, 5, 2, 1))),
        settings=f'[run]\nprovider_wait_max_s = 5\n[workspace]\nlook_s = {look_s}\nscope = "{scope}"\n',
        kills=tuple(draw(st.lists(any_kill | any_death, max_size=2))),
    )


# --- what is claimed -----------------------------------------------------------------------------


@contextmanager
def scratch(case: Case) -> Iterator[Scratch]:
    folder = Path(tempfile.mkdtemp(prefix="truth-"))
    made = Scratch(folder, case)
    try:
        yield made
    except BaseException:
        if kept := os.environ.get("ORCHESTRATOR_TRUTH_KEEP"):
            (folder / "case").write_text(repr(case))
            shutil.copytree(folder, Path(kept) / folder.name, symlinks=True)
        raise
    finally:
        shutil.rmtree(folder)


def hold(made: Scratch) -> int:
    """Runs it to its end and holds every claim against it. Returns the exit code."""
    before = made.checkout()
    code = made.run_to_its_end()
    assert code in (0, 1), made.told
    tip, after = made.tip(), made.checkout()
    hold_the_exit_code(made, code, tip)
    taken_along = bool(made.case.dirt) and made.case.include_dirty
    assert made.has_dirt(tip) == taken_along, made.told
    assert made.unreachable() == set(), f"in no commit that a ref reaches\n{made.told}"
    if code != 0:
        assert after == before, f"it is not done, and yet: {differences(before, after)}"
    elif after != before:
        hold_the_hand_over(made, before, after, tip)
    else:
        assert not can_have_it(made.case), f"it could have been handed over\n{made.told}"
    assert made.leftovers() == [], made.told
    return code


def hold_the_exit_code(made: Scratch, code: int, tip: str) -> None:
    steps = made.case.steps
    missing = set(range(1, len(steps) + 1)) - made.landed(tip)
    with made.clone(tip) as place:
        red = [check for check in made.case.checks if not made.is_green(check, place)]
        assert (code == 0) == (not missing and not red), f"{code}: {missing} {red}\n{made.told}"
        for number, commit in made.commits(tip):
            made.git("checkout", "-q", "--detach", commit, cwd=place)
            bad = [one for one in steps[number - 1].checks if not made.is_green(one, place)]
            assert bad == [], f"step {number} has landed where it is red: {bad}\n{made.told}"


def hold_the_hand_over(made: Scratch, before: Checkout, after: Checkout, tip: str) -> None:
    """The person's branch is the result, to the last byte; what they had besides is still there."""
    assert made.as_fast_forwarded(before, tip) == after, made.told


def can_have_it(case: Case) -> bool:
    """A branch that did not move, and nothing uncommitted that could be written over."""
    is_apart = case.dirt == "untracked" and case.dirty_file == "mine.txt" and not case.include_dirty
    return not case.is_detached and (not case.dirt or is_apart)


@pytest.mark.timeout(900)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # what depends on the moment cannot be made smaller
)
@given(any_case())
def test_exit_0_means_all_work_in_a_green_result_and_no_work_is_ever_lost(case: Case):
    with scratch(case) as made:
        event(f"exit {hold(made)} after {made.told.count('$ orchestrator')} engines")


# --- told one by one -----------------------------------------------------------------------------


def meets(mine: str, other: str) -> str:
    """Neither goes on before the other is there: they really run at the same time. Once met, nobody waits again."""
    return f"touch $out/{mine}\nuntil test -e $out/{other}; do sleep 0.02; done"


def until_landed(number: int) -> str:
    """Waits for a line of that step on the result branch."""
    refs = "$(git for-each-ref --format='%(objectname)' refs/heads/orchestrator/)"
    return f"until git grep -q ^T{number}- {refs} --; do sleep 0.02; done"


def step(number: int, script: str, waits: str = TOGETHER, file: str = "shared.txt") -> Step:
    return Step(script, (f"grep -q ^T{number}- {file}",), waits=waits)


def test_two_that_append_to_one_file_at_once_and_a_third_behind_them_are_all_in_the_branch():
    case = Case(
        steps=(
            step(1, f"{meets('a', 'b')}\nappend shared.txt"),
            step(2, f"{meets('b', 'a')}\nappend shared.txt"),
            step(3, "append shared.txt", 'depends-on="1, 2"'),
        )
    )
    with scratch(case) as made:
        assert hold(made) == 0, made.told
        assert made.git("remote") == ""
        text = made.git("show", "main:shared.txt")
        assert text.startswith(LINES)
        assert [row[:3] for row in text.splitlines()[12:]] in (
            ["T1-", "T2-", "T3-"],
            ["T2-", "T1-", "T3-"],
        )
        assert made.kinds().count(EventKind.LANDING) == 3


def test_work_that_writes_over_what_another_needs_is_not_called_done():
    """The second try of 2 has all of 1 before it and throws it away; its own check is green, that of 1 no more."""
    over = f"{meets('b', 'a')}\n{until_landed(1)}\nreplace shared.txt"
    case = Case(
        steps=(
            step(1, f"{meets('a', 'b')}\nappend shared.txt"),
            step(2, over),
            step(3, "append other.txt", 'depends-on="1, 2"', "other.txt"),
        )
    )
    with scratch(case) as made:
        assert hold(made) == 1, made.told
        assert made.landed(made.tip()) == {1, 2, 3}
        assert f"orchestrator/{made.run_id}" in made.told
        assert "grep -q ^T1- shared.txt" in made.told


def test_work_that_is_red_on_the_result_does_not_land():
    """Both are green where they began, and git finds nothing to join: only the second look sees it."""
    alone = Step(
        f"{meets('b', 'a')}\n{until_landed(1)}\nappend other.txt",
        ("grep -q ^T2- other.txt", "! grep -q ^T1- shared.txt"),
        waits=TOGETHER,
    )
    with scratch(Case(steps=(step(1, f"{meets('a', 'b')}\nappend shared.txt"), alone))) as made:
        assert hold(made) == 1, made.told
        assert made.landed(made.tip()) == {1}


def test_the_work_of_a_failed_try_and_of_one_whose_engine_died_is_kept():
    """Each try writes over what the one before has made, and the second task goes on in the folder of the first."""
    once = "replace {}\nif test $tries = 0; then {}; fi"
    case = Case(
        steps=(
            step(1, once.format("shared.txt", "exit 1"), ""),
            step(2, once.format("other.txt", "die"), "", "other.txt"),
            step(3, "append notes.txt\nexit 1", "", "notes.txt"),
        )
    )
    with scratch(case) as made:
        assert hold(made) == 1, made.told
        assert len(made.written()) == 6
        assert made.landed(made.tip()) == {1, 2}


def test_work_that_never_fits_fails_and_each_piece_is_named_with_its_place():
    """Each time that 2 writes over the file, somebody else has landed there meanwhile."""
    over = f"{meets('b', 'a')}\nif test $tries = 0; then\n{until_landed(1)}\nelse\ntouch $out/again\n{until_landed(3)}\nfi\nreplace shared.txt"
    case = Case(
        steps=(
            step(1, f"{meets('a', 'b')}\nappend shared.txt"),
            step(2, over),
            step(3, "until test -e $out/again; do sleep 0.02; done\nprepend shared.txt"),
            step(4, "append other.txt", 'depends-on="2"', "other.txt"),
        )
    )
    with scratch(case) as made:
        assert hold(made) == 1, made.told
        assert made.landed(made.tip()) == {1, 3}
        assert f"orchestrator/{made.run_id}" in made.told
        kept = made.git("for-each-ref", "--format=%(refname)", "refs/orchestrator/").splitlines()
        assert len(kept) == 2
        assert kept[-1] in made.told
        summary = made.git("show", f"orchestrator/{made.run_id}:plans/demo-SUMMARY.md")
        assert [ref for ref in kept if ref not in summary] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_persons_files_are_written_leaves_none_half_way(number: signal.Signals):
    edits = "append a.txt\nappend b.slow\nappend c.txt"
    with scratch(Case(steps=(step(1, edits, file="c.txt"),))) as made:
        made.signal_while_it_writes(number)
        assert hold(made) == 0, made.told
        assert not (made.outside / "deadly").exists()


LAND, HAND_OVER = "refs/heads/orchestrator/", "merge --ff-only"
PUT_AWAY = "worktree remove"
KEEP = "update-ref --end-of-options refs/orchestrator/rescue/"


@pytest.mark.parametrize(
    "deaths",
    [
        (Death(0, "after", "worktree add"),),
        (Death(0, "before", KEEP), Death(0, "before", PUT_AWAY)),
        (Death(2, "before", LAND),),
        (Death(2, "after", LAND), Death(0, "before", PUT_AWAY)),
        (Death(0, "before", HAND_OVER),),
        (Death(0, "after", HAND_OVER),),
        (Death(0, "after", "update-ref -d refs/heads/orchestrator/"),),
    ],
    ids=lambda deaths: ", ".join(f"{one.side} {one.words}" for one in deaths),
)
def test_who_goes_on_after_a_death_at_a_call_of_git_comes_to_the_same_end(
    deaths: tuple[Death, ...],
):
    with scratch(Case(steps=(step(1, "append a.txt", file="a.txt"),), kills=deaths)) as made:
        assert hold(made) == 0, made.told
        assert made.told.count("$ orchestrator") == len(deaths) + 1
