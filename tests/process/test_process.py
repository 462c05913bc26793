"""Real programs, some of them hostile: how they end is passed on exactly, and nothing of them is left."""

# ruff: noqa: ASYNC110, ASYNC220, ASYNC240 - what is looked at here are other processes and their files

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.model import Sandbox
from orchestrator.process import (
    Command,
    Ended,
    NotStarted,
    ProgramMissing,
    environment,
    run,
)
from orchestrator.process.leftover import TREE
from orchestrator.process.warden import LINUX, read_tree
from tests import sandboxes

PATH = os.environ["PATH"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper and /proc")
WRITE_PID = "echo $! > $1.new && mv $1.new $1"
IT_SLEEPS = (
    "until [ ! -e /proc/$! ] || grep -qs ^sleep /proc/$!/comm; do :; done"  # and is named so
)

# Each starts something that outlives its parent, and writes its pid to the file $1.
FAMILIES = {
    "a grandchild": f"sh -c 'sleep 1000 & {WRITE_PID}; wait' - $1 & wait",
    "a deaf one": f"sh -c 'trap \"\" TERM INT HUP; sleep 1000 & {WRITE_PID}; wait' - $1 & wait",
    "one with its own session": f"setsid sh -c 'sleep 1000 & {WRITE_PID}; wait' - $1 & wait",
    "a daemon": f"(setsid sh -c 'sleep 1000 & {WRITE_PID}' - $1 &) ; sleep 1000",
}
ESCAPES = {"one with its own session", "a daemon"}
families = pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, id=name, marks=[linux] if name in ESCAPES else [])
        for name, script in FAMILIES.items()
    ],
)


OPENLY = {
    "test_kill_9_of_the_warden_is_told_and_ends_the_group",  # from within a sandbox nobody can
    "test_memory_stays_bounded",  # its engine is one of its own, outside of any sandbox
}


class Around:
    """What stands around the programs of the running test."""

    sandbox: Sandbox | None = None
    mark = ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Everything holds in a sandbox, too."""
    ways = ["open"] if metafunc.function.__name__ in OPENLY else ["open", "sandbox"]
    metafunc.parametrize("around", ways, indirect=True)


@pytest.fixture(autouse=True)
def around(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    Around.mark = f"ORCHESTRATOR_TEST={tmp_path}"
    if request.param == "sandbox":
        anyio.run(sandboxes.need_bubblewrap)
        Around.sandbox = sandboxes.around(tmp_path, tmp_path.with_name(f"{tmp_path.name}.tmp"))
    yield
    Around.sandbox = None


def order(*argv: str, cwd: Path, **more: Any) -> Command:
    env = {"PATH": PATH, **dict([Around.mark.split("=", 1)])}
    given = {"timeout_s": 20.0, "env": env, "sandbox": Around.sandbox} | more
    return Command(argv=argv, cwd=cwd, **given)


def bash(script: str, *arguments: object, cwd: Path, **more: Any) -> Command:
    return order("bash", "-c", script, "bash", *map(str, arguments), cwd=cwd, **more)


def is_running(pid: int) -> bool:
    """By the number that it knows itself."""
    if Around.sandbox is not None:
        return pid in sandboxes.living(Around.mark).values()
    return is_here(pid)


def is_here(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text() if sys.platform == "linux" else ") S"
    except (ProcessLookupError, FileNotFoundError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def wait_until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(30):  # nothing takes so long, but for what hangs
        while not true():
            await anyio.sleep(0.005)


async def wait_pid(file: Path) -> int:
    await wait_until(file.exists)
    return int(file.read_text())


async def time_out(begun: Callable[[Ended], bool], command: Command) -> Ended:
    """Its time is over after it has begun: it gets twice as much until a busy machine has come so far."""
    ended = await run(command)
    while not begun(ended):
        command = replace(command, timeout_s=2 * command.timeout_s)
        ended = await run(command)
    return ended


# --- how it ended --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 5, 126, 127, 128, 255])
async def test_the_exit_code_is_passed_on_exactly(code: int, tmp_path: Path) -> None:
    ended = await run(bash(f"exit {code}", cwd=tmp_path))
    assert (ended.exit_code, ended.signal) == (code, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
async def test_the_signal_is_passed_on_exactly(number: signal.Signals, tmp_path: Path) -> None:
    ended = await run(bash(f"kill -{int(number)} $$; sleep 1000", cwd=tmp_path))
    assert (ended.exit_code, ended.signal, ended.signal_name) == (None, number, number.name)


async def test_both_streams_come_back_apart_or_merged_in_order(tmp_path: Path) -> None:
    script = "echo one; echo two >&2; echo three"
    apart = await run(bash(script, cwd=tmp_path))
    merged = await run(bash(script, cwd=tmp_path, merged=True))
    assert (apart.stdout, apart.stderr) == ("one\nthree\n", "two\n")
    assert (merged.stdout, merged.stderr) == ("one\ntwo\nthree\n", "")


async def test_arguments_and_directory_arrive_as_given(tmp_path: Path) -> None:
    words = ["", "a b", "-n", "*", "$HOME", "new\nline", "ü", "x" * 100_000]
    program = "import os, sys; print(ascii(sys.argv[1:]), os.getcwd())"
    ended = await run(
        order(sys.executable, "-c", program, *words, cwd=tmp_path, keep_bytes=1 << 20)
    )
    assert ended.stdout == f"{words!a} {tmp_path.resolve()}\n"


async def test_a_relative_directory_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (await run(order("pwd", cwd=Path(".")))).stdout == f"{tmp_path.resolve()}\n"


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match=r"no-such-program.*No such file"):
        await run(order("no-such-program", cwd=tmp_path))


async def test_a_missing_directory_is_not_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match=r"gone.*No such file") as caught:
        await run(order("true", cwd=tmp_path / "gone"))
    assert not isinstance(caught.value, ProgramMissing)


async def test_programs_are_looked_up_on_the_path_that_was_given(tmp_path: Path) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    command = order("only-here", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert (await run(command)).stdout == "found\n"


async def test_signals_and_session_are_those_of_a_fresh_program(tmp_path: Path) -> None:
    program = (
        "import signal, os;"
        "print([s.name for s in signal.valid_signals() if isinstance(s, signal.Signals)"
        " and signal.getsignal(s) == signal.SIG_IGN and s not in (signal.SIGPIPE, signal.SIGXFSZ)],"
        " os.getpid() == os.getsid(0) == os.getpgrp(), signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    )
    ended = await run(order(sys.executable, "-c", program, cwd=tmp_path))
    assert ended.stdout == "[] True set()\n"
    pipe = await run(bash("yes | head -n 1; echo ${PIPESTATUS[0]}", cwd=tmp_path))
    assert pipe.stdout == f"y\n{128 + signal.SIGPIPE}\n"


async def test_the_terminal_reaches_neither_program_nor_warden(tmp_path: Path) -> None:
    program = "import os; print(os.getsid(os.getppid()) == os.getppid() != os.getsid(0))"
    ended = await run(order(sys.executable, "-c", program, cwd=tmp_path))
    assert ended.stdout == "True\n"


@linux
async def test_no_descriptor_is_inherited(tmp_path: Path) -> None:
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        ended = await run(order("ls", "/proc/self/fd", cwd=tmp_path))
    assert ended.stdout.split() == ["0", "1", "2", "3"]  # 3: the folder that ls itself reads


# --- environment and stdin -----------------------------------------------------------------------


async def test_nothing_of_our_environment_is_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_KEY", "secret")
    command = order("/usr/bin/env", cwd=tmp_path, env={"A": "1=2", "B": ""})
    *given, mark = (await run(command)).stdout.splitlines()
    assert given == ["A=1=2", "B="]
    assert re.fullmatch(f"{TREE}=[0-9a-f]{{16}}", mark)


@linux
async def test_nothing_of_our_environment_is_to_be_read_from_the_warden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_KEY", "secret")
    ended = await run(bash("tr '\\0' '\\n' < /proc/$PPID/environ", cwd=tmp_path))
    assert (ended.exit_code, "CANARY" in ended.stdout) == (0, False)


def test_environment_takes_only_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_TIME", "LC_CTYPE", "SECRET", "LANG"):
        monkeypatch.setenv(name, "ours")
    taken = environment(["LC_*", "LANG", "ABSENT"], {"LANG": "C", "EXTRA": "x"})
    assert {name for name in taken if name.startswith("LC_")} >= {"LC_TIME", "LC_CTYPE"}
    assert (taken["LANG"], taken["EXTRA"]) == ("C", "x")
    assert not {"SECRET", "ABSENT", "PATH"} & set(taken)


async def test_a_prompt_is_read_to_its_end(tmp_path: Path) -> None:
    prompt = os.urandom(1 << 20)
    (tmp_path / "prompt").write_bytes(prompt)
    ended = await run(order("cmp", "-", "prompt", cwd=tmp_path, stdin=prompt))
    assert (ended.exit_code, ended.stdout) == (0, "")


async def test_a_prompt_that_is_never_read_blocks_nobody(tmp_path: Path) -> None:
    ended = await run(bash("exit 3", cwd=tmp_path, stdin=b"x" * (1 << 20)))
    assert ended.exit_code == 3
    hung = await run(order("sleep", "1000", cwd=tmp_path, stdin=b"x" * (1 << 20), timeout_s=0.2))
    assert hung.timed_out


async def test_without_a_prompt_stdin_is_at_its_end(tmp_path: Path) -> None:
    assert (await run(order("cat", cwd=tmp_path))).exit_code == 0


# --- nothing is left -----------------------------------------------------------------------------


@families
async def test_cancelling_ends_the_whole_family(script: str, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    async with anyio.create_task_group() as group:
        group.start_soon(run, bash(script, file, cwd=tmp_path, grace_s=0.1))
        pid = await wait_pid(file)
        await wait_until(lambda: is_running(pid))  # in its exec it has no environment
        group.cancel_scope.cancel()
    assert not is_running(pid)


@families
async def test_a_timeout_ends_the_whole_family(script: str, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    command = bash(script, file, cwd=tmp_path, grace_s=0.1, timeout_s=0.7)
    ended = await time_out(lambda _: file.exists(), command)
    assert ended.timed_out
    assert not is_running(await wait_pid(file))


@families
async def test_kill_9_of_the_engine_leaves_nothing(script: str, tmp_path: Path) -> None:
    engine = (
        "import anyio, sys; from pathlib import Path; from orchestrator.process import *;"
        "from orchestrator.model import Sandbox; mark, box, *argv = sys.argv[1:];"
        "command = Command(argv=argv, cwd=Path('.'), timeout_s=60.0, grace_s=0.1,"
        " env={'PATH': '/usr/bin:/bin', 'ORCHESTRATOR_TEST': mark},"
        " sandbox=Sandbox.model_validate_json(box) if box else None); anyio.run(run, command)"
    )
    file, warden = tmp_path / "pid", tmp_path / "warden"
    argv = ["bash", "-c", f"echo $PPID > {warden}; {script}", "bash", str(file)]
    given = [str(tmp_path), Around.sandbox.model_dump_json() if Around.sandbox else "", *argv]
    with subprocess.Popen([sys.executable, "-c", engine, *given]) as process:
        pid = await wait_pid(file)
        wardens = list(read_tree(process.pid)) if LINUX else [int(warden.read_text())]
        await wait_until(lambda: is_running(pid))
        process.kill()
        process.wait()
    await wait_until(lambda: not is_running(pid))
    await wait_until(lambda: not any(map(is_here, wardens)))


async def test_kill_9_of_the_warden_is_told_and_ends_the_group(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    ended = await run(bash(f"sleep 1000 & {WRITE_PID}; kill -9 $PPID; wait", file, cwd=tmp_path))
    assert (ended.exit_code, ended.signal) == (None, None)
    await wait_until(lambda: not is_running(int(file.read_text())))


async def test_what_a_program_leaves_running_is_ended_and_reported(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    ended = await run(bash(f"sleep 1234 & {WRITE_PID}; {IT_SLEEPS}; exit 4", file, cwd=tmp_path))
    assert (ended.exit_code, ended.timed_out) == (4, False)
    assert not is_running(int(file.read_text()))
    assert len(ended.survivors) == 1
    if sys.platform == "linux":
        assert ended.survivors == ("sleep 1234",)


@linux
async def test_a_daemon_that_was_left_is_ended_and_reported(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    daemon = "(setsid sh -c 'echo $$ > $1.new && mv $1.new $1; exec sleep 1234' - $1 &)"
    script = f"{daemon}; until grep -qs ^sleep /proc/$(cat $1)/comm; do :; done 2> /dev/null"
    ended = await run(bash(script, file, cwd=tmp_path))
    assert (ended.exit_code, ended.survivors) == (0, ("sleep 1234",))
    assert not is_running(int(file.read_text()))


async def test_what_ends_by_itself_in_time_is_no_survivor(tmp_path: Path) -> None:
    late = "read word; while kill -0 $$; do :; done 2> /dev/null; echo $word, and done > late"
    ended = await run(bash(f"echo said > >({late})", cwd=tmp_path))
    assert ended.survivors == ()
    assert (tmp_path / "late").read_text() == "said, and done\n"


@linux
async def test_a_chain_of_forks_is_caught(tmp_path: Path) -> None:
    """Each process lives only to start the next: no list of processes is ever true for long."""
    runner = tmp_path / "runner"
    runner.write_text("import os, sys\nos.setsid()\nopen(sys.argv[1], 'w').close()\n"
                      "while True:\n    if os.fork(): os._exit(0)\n    os.setsid()\n")  # fmt: skip
    script = f"{sys.executable} runner started & until [ -e started ]; do :; done"
    with anyio.fail_after(15):
        ended = await run(bash(script, cwd=tmp_path))
    assert ended.exit_code == 0
    assert not [words for words in ended.survivors if "could not" in words]


async def test_a_grandchild_that_holds_stdout_does_not_hold_us(tmp_path: Path) -> None:
    began = anyio.current_time()
    ended = await run(bash("sleep 1000 & echo said", cwd=tmp_path))
    assert (ended.stdout, ended.exit_code) == ("said\n", 0)
    assert anyio.current_time() - began < 15  # its own limit is 20


# --- time ----------------------------------------------------------------------------------------


async def test_the_timeout_asks_first_and_the_answer_is_heard(tmp_path: Path) -> None:
    script = "trap 'echo goodbye; exit 9' TERM; echo ready; while :; do sleep 0.01; done"
    command = bash(script, cwd=tmp_path, timeout_s=0.5, grace_s=15.0)
    ended = await time_out(is_ready, command)
    assert (ended.timed_out, ended.exit_code, ended.stdout) == (True, 9, "ready\ngoodbye\n")


def is_ready(ended: Ended) -> bool:
    return ended.stdout.startswith("ready\n")


async def test_signals_are_tried_in_order_and_then_it_is_killed(tmp_path: Path) -> None:
    script = "trap 'echo INT' INT; trap 'echo TERM' TERM; echo ready; while :; do :; done"
    stop = (signal.SIGINT, signal.SIGTERM)
    command = bash(script, cwd=tmp_path, timeout_s=0.5, stop=stop, grace_s=1.0)
    ended = await time_out(is_ready, command)
    assert (ended.signal, ended.stdout) == (signal.SIGKILL, "ready\nINT\nTERM\n")
    assert 2.5 <= ended.duration_s < 15


async def test_cancelling_lets_it_say_goodbye(tmp_path: Path) -> None:
    script = "trap 'echo usage; exit' INT; echo > $1; while :; do sleep 0.01; done"
    log, ready = tmp_path / "log", tmp_path / "ready"
    command = bash(script, ready, cwd=tmp_path, stop=(signal.SIGINT,), grace_s=15.0, transcript=log)
    async with anyio.create_task_group() as group:
        group.start_soon(run, command)
        await wait_until(ready.exists)
        group.cancel_scope.cancel()
    assert log.read_text() == "usage\n"


@linux
async def test_silence_without_work_is_a_stall(tmp_path: Path) -> None:
    ended = await run(order("sleep", "1000", cwd=tmp_path, stall_s=0.4))
    assert (ended.stalled, ended.timed_out) == ("no output and no CPU for 0.4 s", False)
    assert ended.duration_s < 15  # its own limit is 20


@linux
async def test_silence_with_work_ends_where_that_is_asked_for(tmp_path: Path) -> None:
    ended = await run(bash("while :; do :; done", cwd=tmp_path, silent_s=0.6, stall_s=30.0))
    assert ended.stalled == "no output for 0.6 s"
    talks = "for i in $(seq 45); do echo on; sleep 0.1; done"
    assert not (await run(bash(talks, cwd=tmp_path, silent_s=4.0))).stalled


@linux
async def test_a_client_that_only_blinks_is_stalled(tmp_path: Path) -> None:
    """A hung client wakes up now and then: a little CPU is no sign of life."""
    program = "import time\nwhile True: time.sleep(0.2)"
    ended = await run(order(sys.executable, "-c", program, cwd=tmp_path, stall_s=1.5))
    assert ended.stalled
    assert not ended.timed_out


@linux
@pytest.mark.parametrize(
    "busy", ["while :; do :; done", "setsid sh -c 'while :; do :; done' & wait"]
)
async def test_silent_work_is_no_stall(busy: str, tmp_path: Path) -> None:
    ended = await run(bash(busy, cwd=tmp_path, stall_s=2.0, timeout_s=4.5))
    assert (ended.stalled, ended.timed_out) == ("", True)


async def test_output_is_no_stall(tmp_path: Path) -> None:
    script = "while :; do echo >&2; sleep 0.05; done"
    ended = await run(bash(script, cwd=tmp_path, stall_s=2.0, timeout_s=4.5))
    assert (ended.stalled, ended.timed_out) == ("", True)


# --- output --------------------------------------------------------------------------------------


async def test_lines_come_while_it_runs(tmp_path: Path) -> None:
    """It goes on only when it has been heard."""
    os.mkfifo(tmp_path / "answer")
    heard: list[bytes] = []

    def answer(line: bytes) -> None:
        heard.append(line)
        threading.Thread(target=(tmp_path / "answer").write_bytes, args=(b"go\n",)).start()

    ended = await run(bash("echo first; read word < answer; exit 6", cwd=tmp_path), answer)
    assert (ended.exit_code, heard) == (6, [b"first"])


async def test_each_stream_has_its_own_lines(tmp_path: Path) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    script = r"printf 'a\n\xff\xfe\n\nlast'; printf 'b\n' >&2"
    ended = await run(bash(script, cwd=tmp_path), out.append, err.append)
    assert (out, err) == ([b"a", b"\xff\xfe", b"", b"last"], [b"b"])
    assert ended.stdout == "a\n\ufffd\ufffd\n\nlast"


async def test_the_transcript_has_everything_for_the_owner_alone(tmp_path: Path) -> None:
    log = tmp_path / "runs" / "1" / "log"
    script = "seq 1 100000; printf abcdefghij >&2"
    for _ in range(2):
        ended = await run(bash(script, cwd=tmp_path, transcript=log, keep_bytes=1000))
    # a piece of the one pipe may come between two halves of a line of the other
    text, lines = log.read_text(), "".join(f"{n}\n" for n in range(1, 100001))
    assert re.sub(r"[a-j]", "", text) == 2 * lines
    assert re.sub(r"[\d\n]", "", text) == 2 * "abcdefghij"
    assert log.stat().st_mode & 0o777 == 0o600
    assert len(ended.stdout) < 1100
    assert ended.stdout.startswith("1\n2\n")
    assert "bytes cut" in ended.stdout
    assert ended.stdout.endswith("\n100000\n")


async def test_a_transcript_that_cannot_be_written_costs_only_itself(tmp_path: Path) -> None:
    ended = await run(bash("echo said", cwd=tmp_path, transcript=tmp_path))
    assert (ended.exit_code, ended.stdout) == (0, "said\n")
    assert ended.warnings == ("the transcript could not be written: Is a directory",)


FLOODS = {
    "200 MB of lines": "yes 0123456789abcdef | head -c 200000000",
    "one line of 100 MB": "head -c 100000000 /dev/zero | tr '\\0' x",
    "binary": "head -c 100000000 /dev/urandom",
}


@linux
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_memory_stays_bounded(flood: str, tmp_path: Path) -> None:
    engine = (
        "import anyio, sys; from pathlib import Path; from orchestrator.process import *\n"
        "def peak(): return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "command = Command(argv=['bash', '-c', sys.argv[1]], cwd=Path('.'), timeout_s=60.0,"
        " env={'PATH': '/usr/bin:/bin'}, transcript=Path('log'))\n"
        "before = peak(); ended = anyio.run(run, command, len)\n"
        "assert ended.exit_code == 0, ended; print(peak() - before)"
    )
    ended = await run(order(sys.executable, "-c", engine, flood, cwd=tmp_path, timeout_s=60.0))
    assert ended.exit_code == 0, ended.stderr
    assert int(ended.stdout) < 40_000  # KiB; the line cap is 4 MiB
    assert (tmp_path / "log").stat().st_size < 70 << 20
    assert (tmp_path / "log").read_bytes().endswith(b"it has reached its cap]\n")


async def test_a_listener_that_fails_is_our_bug_and_still_leaves_nothing(tmp_path: Path) -> None:
    def stumble(line: bytes) -> None:
        raise ZeroDivisionError

    file = tmp_path / "pid"
    script = f"sleep 1000 & {WRITE_PID}; echo said; wait"
    with pytest.raises(ExceptionGroup) as caught:
        await run(bash(script, file, cwd=tmp_path), stumble)
    assert caught.group_contains(ZeroDivisionError)
    assert not is_running(int(file.read_text()))


async def test_many_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    results: dict[int, Ended] = {}

    async def one(number: int) -> None:
        script = f"read word; echo $word; exit {number}"
        results[number] = await run(bash(script, cwd=tmp_path, stdin=b"word %d\n" % number))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(one, number)
    seen = {number: (ended.exit_code, ended.stdout) for number, ended in results.items()}
    assert seen == {number: (number, f"word {number}\n") for number in range(20)}


@pytest.mark.parametrize(
    ("argv", "env", "cwd", "place"),
    [
        (("true", "a\0EVIL=1"), {}, "", "argument 1"),
        (("true",), {"A": "b\0EVIL=1"}, "", "the variable 'A'"),
        (("true",), {"A\0B": "b"}, "", "the variable 'A\\x00B'"),
        (("true",), {}, "a\0b", "the working folder"),
    ],
)
async def test_what_has_a_nul_in_it_is_not_started(
    tmp_path: Path, argv: tuple[str, ...], env: dict[str, str], cwd: str, place: str
):
    """What follows it would be another argument or variable."""
    with pytest.raises(NotStarted) as refused:
        await run(Command(argv=argv, cwd=tmp_path / cwd, env={"PATH": PATH, **env}, timeout_s=9))
    assert str(refused.value) == f"{place} of 'true' has a NUL in it"
