"""bubblewrap's own part: what is bound in which order, and what happens when it, or the warden in it, is not well."""

from __future__ import annotations

import itertools
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Access, Sandbox
from orchestrator.process import Command, Ended, NotStarted, run, sandbox
from tests import sandboxes
from tests.process.test_process import is_here, wait_until

ENV = {"PATH": os.environ["PATH"]}


def order(script: str, box: Sandbox, cwd: Path, **more: Any) -> Command:
    given = {"argv": ("bash", "-c", script), "env": ENV, "timeout_s": 20.0, "grace_s": 0.2} | more
    return Command(cwd=cwd, sandbox=box, **given)


@pytest.fixture
async def box(tmp_path: Path) -> Sandbox:
    await sandboxes.need_bubblewrap()
    return sandboxes.around(tmp_path, tmp_path.with_name(f"{tmp_path.name}.tmp"))


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(
    lambda one: "/x/" + "/".join(one)
)


@given(st.dictionaries(NAMES, st.sampled_from([Access.READ, Access.WRITE]), max_size=12))
def test_the_deeper_place_comes_later_and_each_comes_once(places: dict[str, Access]):
    words = sandbox.enter(Sandbox(places=places, temporary="/t"), ("true",), {})
    pairs = itertools.pairwise(words)
    bound = [two for one, two in pairs if one.endswith("bind-try") and two.startswith("/x/")]
    assert sorted(bound) == sorted(places)
    for number, place in enumerate(bound):
        assert not any(place.startswith(f"{later}/") for later in bound[number:])
    assert words[-1] == "--"


async def test_the_deepest_place_counts(box: Sandbox, tmp_path: Path):
    for name in ("read/write/hidden/read", "hidden/write"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    marks = {"read": Access.READ, "read/write": Access.WRITE, "read/write/hidden": Access.HIDDEN}
    marks |= {
        "read/write/hidden/read": Access.READ,
        "hidden": Access.HIDDEN,
        "hidden/write": Access.WRITE,
    }
    for name, access in marks.items():
        box = box.allow(access, [str(tmp_path / name)])
    script = "for one in read read/write read/write/hidden read/write/hidden/read hidden hidden/write; do touch $one/new && echo $one; done; ls hidden read/write/hidden"
    ended = await run(order(script, box, tmp_path))
    assert ended.stdout == "read/write\nhidden/write\nhidden:\nwrite\n\nread/write/hidden:\nread\n"


async def test_a_place_that_has_become_a_link_is_passed_over(box: Sandbox, tmp_path: Path):
    """It was a folder when it was looked up, and whoever has exchanged it is not to get what it leads to."""
    secret = tmp_path.with_name(f"{tmp_path.name}.other")
    secret.mkdir()
    (tmp_path / "lib").symlink_to(secret)
    box = box.allow(Access.WRITE, [str(tmp_path / "lib")])
    ended = await run(order("touch lib/new", box, tmp_path))
    assert ended.exit_code == 1
    assert list(secret.iterdir()) == []


async def test_a_closed_file_in_an_open_folder_cannot_be_exchanged_from_within(
    box: Sandbox, tmp_path: Path
):
    """As git does it: written anew beside it, and renamed; nor by another one that is moved there with its folder."""
    (tmp_path / "open/way").mkdir(parents=True)
    for name in ("open/file", "open/way/file"):
        (tmp_path / name).write_text("old")
    box = box.allow(Access.WRITE, [str(tmp_path / "open"), str(tmp_path / "open/way")])
    closed = [str(tmp_path / name) for name in ("open/file", "open/way/file")]
    box = box.allow(Access.READ, closed)
    tries = [
        "echo new > open/file",
        "rm -f open/file",
        "mv open/file open/aside",
        "echo new > open/lock && mv -f open/lock open/file",
        "ln -sfn /etc/passwd open/file",
        "ln open/lock open/way/link",
        "mv -T open aside",
        "mv -T open/way open/aside",
        "rm -rf open/way",
        "umount open/file",
        "mount --bind open/lock open/file",
    ]
    script = "\n".join(f"({one}) 2>/dev/null && echo 'COULD {one}'" for one in tries)
    ended = await run(order(script, box, tmp_path))
    assert ended.stdout == ""
    told = await run(order("cat open/file open/way/file", box, tmp_path))
    assert told.stdout == "oldold"


async def test_what_cannot_be_made_is_told_in_its_words(box: Sandbox, tmp_path: Path):
    box = box.model_copy(update={"temporary": str(tmp_path / "gone")})
    with pytest.raises(NotStarted, match=r"the sandbox could not be made: bwrap: .*gone"):
        await run(order("true", box, tmp_path))


async def test_from_within_nobody_ends_the_warden_or_sees_another_process(
    box: Sandbox, tmp_path: Path
):
    script = "kill -9 $PPID; kill -STOP $PPID; kill -9 1; ls -d /proc/[0-9]* | wc -l; exit 7"
    ended = await run(order(script, box, tmp_path))
    assert (ended.exit_code, ended.survivors) == (7, ())
    assert int(ended.stdout) <= 4


@pytest.mark.parametrize("who", ["bwrap", "the warden"])
async def test_kill_9_from_outside_is_told_and_leaves_nothing(
    box: Sandbox, tmp_path: Path, who: str
):
    """Of bwrap alone: the warden is told, and comes to its end in order."""
    mark = f"OF={tmp_path}"
    command = order(
        "setsid sleep 1000 & : > begun; sleep 1000",
        box,
        tmp_path,
        env={**ENV, "OF": str(tmp_path)},
        grace_s=15.0,
    )
    ended: list[Ended] = []

    async def begin() -> None:
        ended.append(await run(command))

    async with anyio.create_task_group() as group:
        group.start_soon(begin)
        await wait_until((tmp_path / "begun").exists)
        warden = warden_of(mark)
        os.kill(parent(warden) if who == "bwrap" else warden, signal.SIGKILL)
    assert sandboxes.living(mark) == {}
    expected = (None, None) if who == "the warden" else (None, signal.SIGTERM)
    assert (ended[0].exit_code, ended[0].signal) == expected


async def test_a_warden_that_does_not_answer_is_ended_with_all_that_is_below(
    box: Sandbox, tmp_path: Path
):
    mark = f"OF={tmp_path}"
    command = order(
        "setsid sleep 1000 & : > begun; sleep 1000",
        box,
        tmp_path,
        env={**ENV, "OF": str(tmp_path)},
    )
    async with anyio.create_task_group() as group:
        group.start_soon(run, command)
        await wait_until((tmp_path / "begun").exists)
        warden = warden_of(mark)
        group.start_soon(hold, warden)
        group.cancel_scope.cancel()
    assert sandboxes.living(mark) == {}
    await wait_until(lambda: not is_here(warden))


async def hold(pid: int) -> None:
    """Stopped, whoever wakes it."""
    with anyio.CancelScope(shield=True), suppress(ProcessLookupError):
        while True:
            os.kill(pid, signal.SIGSTOP)
            await anyio.sleep(0.01)


def warden_of(mark: str) -> int:
    """It started the one whose parent has no mark. The numbers of processes begin anew now and then."""
    pids = sandboxes.living(mark)
    (warden,) = {parent(pid) for pid in pids} - pids.keys()
    return warden


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_where_no_bubblewrap_is_installed_the_next_step_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    trouble = await sandbox.trouble()
    assert trouble is not None
    assert "install" in trouble or "needs Linux" in trouble
