"""When `learn` runs next: what cron means, and what is really scheduled."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.schedules import NOTHING, after, cron_lines
from tests.cli.projects import Project

NOW = datetime(2026, 11, 28, 8, 30, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("0 0 1 * *", "2026-12-01 00:00"),
        ("30 8 * * *", "2026-11-29 08:30"),
        ("31 8 * * *", "2026-11-28 08:31"),
        ("*/15 * * * *", "2026-11-28 08:45"),
        ("0 9-17/4 * * *", "2026-11-28 09:00"),
        ("5,10 0 * * *", "2026-11-29 00:05"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 12 * * mon", "2026-11-30 12:00"),
        ("0 12 * * 7", "2026-11-29 12:00"),
        ("0 12 * * 0", "2026-11-29 12:00"),
        ("0 0 1 jan *", "2027-01-01 00:00"),
        ("0 0 5 * sun", "2026-11-29 00:00"),  # both are named: either will do
        ("0 0 */2 * sun", "2026-11-29 00:00"),  # one begins with a star: both must hold
    ],
)
def test_what_five_fields_mean(fields: str, expected: str):
    found = after(fields, NOW)
    assert found is not None
    assert f"{found:%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "0 0 1 *",
        "0 0 31 2 *",
        "60 * * * *",
        "a b c d e",
        "* * 0 * *",
        "5-1 * * * *",
        "*/0 * * * *",
    ],
)
def test_what_never_comes_or_is_none_is_none(fields: str):
    assert after(fields, NOW) is None


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    day=st.integers(1, 28),
    now=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
def test_the_next_time_is_after_now_and_no_farther_than_a_month(
    minute: int, hour: int, day: int, now: datetime
):
    found = after(f"{minute} {hour} {day} * *", now)
    assert found is not None
    assert now < found <= now + timedelta(days=31)
    assert (found.minute, found.hour, found.day) == (minute, hour, day)


def test_only_lines_that_call_learn_count():
    table = (
        "# 0 0 1 * * orchestrator learn\nMAILTO=me\n0 5 * * * backup\n"
        "0 0 1 * * /home/me/.local/bin/orchestrator learn\n@monthly orchestrator learn --json\n"
    )
    assert cron_lines(table) == ["0 0 1 * *", "0 0 1 * *"]


def programs(project: Project, **scripts: str) -> dict[str, str]:
    """Stand-ins that answer as the real programs do, before all others on the PATH."""
    folder = project.root / "bin"
    folder.mkdir(exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{project.environment['PATH']}"}


def next_run(project: Project, path: dict[str, str]) -> str:
    done = project.call("learn", **path)
    assert done.returncode == 0, done.stderr
    found = re.search(r"^  Next run: (.*)$", done.stdout, re.M)
    assert found
    return found[1]


NONE = {"crontab": "echo no crontab for me >&2; exit 1", "systemctl": "exit 1"}


def test_c_08_next_run_is_what_is_really_scheduled(project: Project):
    assert next_run(project, programs(project, **NONE)) == NOTHING
    cron = {"crontab": '[ "$1" = -l ] && echo "0 0 1 * * orchestrator learn"'}
    found = next_run(project, programs(project, **(NONE | cron)))
    assert re.fullmatch(r"\d{4}-\d\d-01 00:00 \(crontab\)", found)
    soon = datetime.now(UTC) + timedelta(minutes=5)
    timer = {"systemctl": f"echo NextElapseUSecRealtime=@{soon.timestamp():.0f}"}
    found = next_run(project, programs(project, **(cron | timer)))
    assert found.endswith("(systemd)")


def test_a_scheduler_that_hangs_or_says_nonsense_is_none(project: Project, tmp_path: Path):
    odd = {"crontab": "printf '\\377\\000orchestrator learn\\n'", "systemctl": "exec sleep 60"}
    assert next_run(project, programs(project, **odd)) == NOTHING
