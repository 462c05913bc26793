"""Which plans start: whatever lies there, was before and is said, the rules of the queue hold."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.daemon.queue import Decision, Found, Known, Refusal, Revision, decide
from orchestrator.model import Position, RunId
from orchestrator.model.codes import diagnostic

NOW, SETTLE_S = 1_000_000.0, 2.0
TEXTS = ("aa", "bb", "cc")
PATHS = tuple(f"plans/{phase}/{name}-PLAN.md" for phase in ("01", "02") for name in "abc")
RUNS = (RunId("r1"), RunId("r2"), RunId("r3"))
WRONG = diagnostic("T301", "x", Position(line=1, column=1), "it has no check")


def found(path: str = PATHS[0], sha256: str | None = "aa", **more: object) -> Found:
    plan = Found(path, sha256, NOW - 60, path.rpartition("/")[0])
    return replace(plan, **more)  # type: ignore[arg-type]


def known(**more: object) -> Known:
    return replace(Known({}, (), (), trusts_all=True), **more)  # type: ignore[arg-type]


def decided(*plans: Found, places: int = 9, **more: object) -> Decision:
    return decide(plans, known(**more), now=NOW, settle_s=SETTLE_S, places=places)


def test_who_is_to_trust_a_text_sees_what_is_doubtful_in_it():
    (one,) = decided(found(doubts="a warning: a:1: odd (F210)"), trusts_all=False).waiting
    assert (one.state, "it has a warning: a:1: odd (F210)" in one.why) == ("untrusted", True)


def states(decision: Decision) -> dict[str, str]:
    return {one.found.path: one.state for one in decision.waiting}


def started(decision: Decision) -> list[tuple[str, ...]]:
    return [group.paths for group in decision.starts]


# --- whatever there is -------------------------------------------------------------------------------

ONE = st.builds(
    lambda path, text, age, priority, due, errors, over, superseded: Found(
        path,
        text,
        NOW - age,
        path.rpartition("/")[0],
        priority,
        NOW + due,
        (WRONG,) if errors else (),
        over,
        superseded,
    ),
    st.sampled_from(PATHS),
    st.sampled_from((*TEXTS, *TEXTS, None)),
    st.sampled_from((-3600.0, 0.0, 1.9, 2.0, 60.0)),
    st.sampled_from((-1, 0, 0, 1)),
    st.sampled_from((-60.0, -60.0, 0.0, 60.0)),
    *[st.sampled_from((False, False, True))] * 3,
)
PLANS = st.lists(ONE, max_size=6, unique_by=lambda one: one.path)
PAST = st.dictionaries(
    st.sampled_from(PATHS),
    st.lists(
        st.builds(Revision, st.sampled_from(RUNS), st.sampled_from(TEXTS)), min_size=1, max_size=3
    ),
)
REFUSED = st.dictionaries(
    st.sampled_from(PATHS),
    st.builds(
        Refusal,
        st.just("no agent"),
        st.booleans(),
        st.sampled_from((NOW - 1, NOW + 1)),
        st.sampled_from(TEXTS),
    ),
)
KNOWN = st.builds(
    Known,
    PAST,
    st.sets(st.sampled_from(RUNS)),
    st.sets(st.sampled_from(TEXTS)),
    st.booleans(),
    st.sets(st.sampled_from(PATHS)),
    REFUSED,
)


@given(PLANS, KNOWN, st.integers(-1, 4))
def test_what_starts_is_whole_right_trusted_due_new_and_never_twice(
    plans: list[Found], past: Known, places: int
):
    decision = decide(plans, past, now=NOW, settle_s=SETTLE_S, places=places)
    lying = {one.path: one for one in plans}
    begun = [path for group in decision.starts for path in group.paths]
    assert len(begun) == len(set(begun))
    assert len(decision.starts) <= max(0, places)
    for path in begun:
        one = lying[path]
        assert one.sha256 is not None
        assert abs(NOW - one.changed_at) >= SETTLE_S
        assert not one.errors
        assert past.trusts_all or one.sha256 in past.trusted
        assert one.not_before <= NOW
        refusal = past.refused.get(path)
        assert refusal is None or refusal.sha256 != one.sha256 or refusal.until <= NOW
        before = past.revisions.get(path, ())
        assert not before or before[-1].run not in past.live
        if path not in past.asked:
            assert not before or before[-1].sha256 != one.sha256
            assert before or not one.is_over
            assert not one.is_superseded


@given(PLANS, KNOWN, st.integers(-1, 4))
def test_a_plan_starts_or_waits_with_a_reason_or_there_is_nothing_to_do(
    plans: list[Found], past: Known, places: int
):
    decision = decide(plans, past, now=NOW, settle_s=SETTLE_S, places=places)
    begun = {path for group in decision.starts for path in group.paths}
    waiting = states(decision)
    assert not begun & set(waiting)
    assert all(one.why for one in decision.waiting)
    for one in plans:
        if one.path not in begun | set(waiting):
            texts = [r.sha256 for every in past.revisions.values() for r in every[-1:]]
            assert one.is_over or one.is_superseded or one.sha256 in texts


@given(PLANS, KNOWN, st.integers(0, 4))
def test_a_group_is_all_that_can_start_of_a_phase_and_the_most_urgent_go_first(
    plans: list[Found], past: Known, places: int
):
    decision = decide(plans, past, now=NOW, settle_s=SETTLE_S, places=places)
    lying = {one.path: one for one in plans}
    priorities = [group.priority for group in decision.starts]
    assert priorities == sorted(priorities, reverse=True)
    growing = {one.found.phase for one in decision.waiting if one.state == "arriving"}
    for group in decision.starts:
        members = [lying[path] for path in group.paths]
        assert {one.phase for one in members} == {members[0].phase}
        assert {one.priority for one in members} == {group.priority}
        assert members[0].phase not in growing
    queued = [one.found for one in decision.waiting if one.state == "queued"]
    for left in queued:
        if left.phase in growing:
            continue
        assert len(decision.starts) == places  # no place is left empty while something could start
        assert all(left.priority <= one for one in priorities)
        assert all((left.phase, left.priority) != _key(lying[g.paths[0]]) for g in decision.starts)


def _key(plan: Found) -> tuple[str, int]:
    return plan.phase, plan.priority


# --- one by one --------------------------------------------------------------------------------------


def test_a_phase_waits_for_a_sibling_that_is_being_written():
    young = found(PATHS[1], "bb", changed_at=NOW - 1)
    decision = decided(found(), young, found(PATHS[3], "cc"))
    assert started(decision) == [(PATHS[3],)]
    assert states(decision) == {PATHS[0]: "queued", PATHS[1]: "arriving"}


def test_a_clock_that_is_set_back_makes_nobody_wait_for_an_hour():
    assert started(decided(found(changed_at=NOW + 3600))) == [(PATHS[0],)]


def test_a_renamed_plan_is_the_plan_that_it_was():
    past = {"plans/01/old-PLAN.md": [Revision(RUNS[0], "aa")]}
    renamed = (("plans/01/a-PLAN.md", past["plans/01/old-PLAN.md"][0]),)
    assert decided(found(), revisions=past) == Decision((), (), renamed)
    assert decided(found(), revisions=past, live=[RUNS[0]]).renamed == ()
    assert decided(found(), revisions=past, asked=["plans/01/a-PLAN.md"]).renamed == ()
    running = decided(found(), revisions=past, live=RUNS[:1])
    assert states(running) == {PATHS[0]: "running"}
    both = decided(found(), found("plans/01/old-PLAN.md"), revisions=past)
    assert started(both) == [(PATHS[0],)]  # a copy is a plan of its own


def test_an_edit_while_it_runs_starts_after_it_and_says_behind_whom():
    past = {PATHS[0]: [Revision(RUNS[0], "old")]}
    behind = decided(found(), revisions=past, live=RUNS[:1])
    assert states(behind) == {PATHS[0]: "behind"}
    assert "r1" in behind.waiting[0].why
    unread = decided(found(), revisions=past, live=RUNS[:1], trusts_all=False)
    assert states(unread) == {PATHS[0]: "untrusted"}
    assert "starts after it, once somebody has said" in unread.waiting[0].why
    new = found(changed_at=NOW)
    assert states(decided(new, revisions=past, live=RUNS[:1], trusts_all=False)) == {
        PATHS[0]: "behind"
    }
    assert started(decided(found(), revisions=past)) == [(PATHS[0],)]


def test_when_its_time_comes_is_said():
    decision = decided(found(not_before=NOW + 60, due="2030-01-01 02:00"))
    assert decision.waiting[0].why.endswith("has not come yet: 2030-01-01 02:00")


def test_the_summary_of_the_text_before_does_not_make_an_edit_done():
    past = {PATHS[0]: [Revision(RUNS[0], "old")]}
    assert started(decided(found(is_over=True), revisions=past)) == [(PATHS[0],)]
    assert decided(found(is_over=True)) == Decision((), ())
    assert decided(found(is_superseded=True), revisions=past) == Decision((), ())


def test_what_is_done_runs_again_only_where_a_person_asks():
    past = {PATHS[0]: [Revision(RUNS[0], "aa")]}
    assert decided(found(is_over=True), revisions=past) == Decision((), ())
    again = decided(found(is_over=True), revisions=past, asked={PATHS[0]})
    assert started(again) == [(PATHS[0],)]


def test_the_most_urgent_goes_first_then_who_lies_there_longest():
    plans = [
        found(PATHS[0], changed_at=NOW - 10),
        found(PATHS[3], "bb", changed_at=NOW - 50),
        found(PATHS[4], "cc", priority=1, changed_at=NOW - 5),
    ]
    assert started(decided(*plans, places=2)) == [(PATHS[4],), (PATHS[3],)]
    assert states(decided(*plans, places=2)) == {PATHS[0]: "queued"}


def test_who_was_refused_is_tried_again_after_its_time_or_with_another_text():
    waits = {PATHS[0]: Refusal("no agent", waits=False, until=NOW + 1, sha256="aa")}
    assert states(decided(found(), refused=waits)) == {PATHS[0]: "broken"}
    assert started(decided(found(sha256="bb"), refused=waits)) == [(PATHS[0],)]
    behind = {PATHS[0]: Refusal("after 01-01", waits=True, until=NOW + 1, sha256="aa")}
    assert states(decided(found(), refused=behind)) == {PATHS[0]: "behind"}
    over = {PATHS[0]: Refusal("no agent", waits=False, until=NOW, sha256="aa")}
    assert started(decided(found(), refused=over)) == [(PATHS[0],)]


def test_who_waits_long_enough_goes_before_those_who_are_more_urgent():
    """For ever there comes something that is more urgent; an hour counts as a step."""
    low, waits, now = found(PATHS[0], priority=-1), dict[str, float](), NOW
    for hour in range(9):
        urgent = found(PATHS[3], f"u{hour}", priority=1, changed_at=now - 60)
        past = known(queued=waits)
        decision = decide([low, urgent], past, now=now, settle_s=SETTLE_S, places=1)
        if started(decision) == [(PATHS[0],)]:
            break
        waits, now = decision.queued(waits, now), now + 3600
    assert hour == 2  # as urgent as they are by then, and it lies there longest
    assert decision.queued(waits, now) == {PATHS[3]: now}


def test_a_wait_that_is_over_counts_no_more():
    decision = decided(found(), found(PATHS[3], "bb"), places=0)
    assert decision.queued({PATHS[0]: 5.0, "gone": 1.0}, 9.0) == {PATHS[0]: 5.0, PATHS[3]: 9.0}
    assert decided(found(sha256=None)).queued({PATHS[0]: 5.0}, 9.0) == {}


# --- money and quota ----------------------------------------------------------------------------------


def test_s3_29_only_plans_below_normal_wait_for_the_month():
    plans = [found(PATHS[0], priority=-1), found(PATHS[1]), found(PATHS[2], "bb", priority=1)]
    decision = decided(*plans, throttled="behind quota: x")
    assert started(decision) == [(PATHS[2],), (PATHS[1],)]
    assert [(one.state, one.why) for one in decision.waiting] == [("later", "behind quota: x")]
    assert len(started(decided(*plans))) == 3


def test_what_runs_is_not_touched_by_the_month():
    past = {PATHS[0]: [Revision(RUNS[0], "aa")]}
    decision = decided(
        found(priority=-1), revisions=past, live=RUNS[:1], throttled="behind quota: x"
    )
    assert states(decision) == {PATHS[0]: "running"}


def test_a_dear_plan_waits_until_a_person_has_said_enough_for_this_text():
    dear = Refusal("dear", waits=True, until=NOW + 60, sha256="aa", asks_usd=7.2)
    for given_, waits in (
        ({}, True),
        ({"aa": 7.19}, True),
        ({"bb": 9.0}, True),
        ({"aa": 7.2}, False),
    ):
        decision = decided(found(), refused={PATHS[0]: dear}, approved=given_)
        assert states(decision) == ({PATHS[0]: "unapproved"} if waits else {})
        assert started(decision) == ([] if waits else [(PATHS[0],)])
        assert [one.asks_usd for one in decision.waiting] == ([7.2] if waits else [])
    other = dear._replace(asks_usd=0.0)
    assert states(decided(found(), refused={PATHS[0]: other}, approved={"aa": 9.0})) == {
        PATHS[0]: "behind"
    }
