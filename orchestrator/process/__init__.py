"""The only place that starts processes: argv in, how it ended out; it refuses to leave anything running behind.

Between us and every program stands a warden (`warden.py`), one per run:

    engine ──socket pair──> warden ──fork, setsid──> the program ──> whatever it starts
       └──────── stdin, stdout, stderr: pipes of our own ─────┘

What must stay true, and why it is built this way:

1. *Nothing survives.* A process group is not enough: one `setsid` and a child is out of it. On Linux the warden is a
   child subreaper, so every orphan below becomes its child, and "no children left" is a proof, not a hope. Elsewhere it
   ends the group; there a program that calls `setsid` and leaves can escape.
2. *Not even kill -9 of the engine leaves a tree.* The warden stops when the socket pair closes, and the kernel closes it
   for us. To stop a tree we close our half: dying and asking are the same thing, so the rare case is tested every day.
   The warden and the program sit in sessions of their own: Ctrl-C at the terminal reaches the engine alone.
3. *The end is the end of the channel*, which only the warden holds: not the end of stdout, which a grandchild may keep
   open, and not asyncio's `wait`, which in some versions waits for the pipes. After it, output has DRAIN_S to arrive.
4. *Cancelling waits for the end.* The readers are shielded, so the program can still say goodbye (an agent reports its
   usage when interrupted); the stop itself is bounded, the warden is killed if it does not answer, and only then
   `CancelledError` goes on.
5. *Memory is bounded, whatever comes.* Chunks, a line splitter with a cap, head and tail kept, the rest on disk with a
   cap. A full disk costs the transcript, never the attempt.
6. *Unread stdin blocks nobody*: the feeder is one more task, which ends with the program.
7. *Nothing is inherited.* The environment is what the caller gives and our mark; descriptors are closed; signals are back at default.
8. *With a sandbox all of this stays true* (`sandbox.py`). The warden is the first process of a namespace of its own then,
   and what it says of pids is of that namespace: a number that it reports is never signalled from here.
9. *A warden that was killed proves nothing any more.* Then its tree is found by a mark of its own in the environment
   (`leftover.py`); one that was stopped is woken first. Without /proc only the group is ended.

A stall is no output *and* (almost) no CPU below the warden: a compiler is silent, a hung client idles. Without /proc
silence alone would kill healthy programs, so outside Linux there is no stall watch, only the timeout.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from io import FileIO
from itertools import chain

import anyio
from anyio import CancelScope

from orchestrator import redact
from orchestrator.process import leftover, sandbox, warden
from orchestrator.process.command import LOST as LOST
from orchestrator.process.command import Command as Command
from orchestrator.process.command import Ended as Ended
from orchestrator.process.command import NotStarted as NotStarted
from orchestrator.process.command import ProgramMissing as ProgramMissing
from orchestrator.process.command import environment as environment
from orchestrator.process.command import name_signal as name_signal
from orchestrator.process.command import refuse_nul
from orchestrator.process.leash import Leash as Leash
from orchestrator.process.output import CHUNK, Kept, Lines, Transcript

DRAIN_S = 1.0
ANSWER_S = warden.GIVE_UP_S + 5.0  # on top of the graces; then the warden itself is killed
LATE_S, CATCH_UP_S = 1.0, 0.5  # a look that comes this late first hears what was said meanwhile
IDLE = 0.01  # less of one CPU than this is no sign of life: hung clients still blink
SHOWN = 200  # characters of the command line of what was left running
LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_*")  # what our own interpreter may need to start

OnLine = Callable[[bytes], None]


async def run(
    command: Command,
    on_line: OnLine | None = None,
    on_error_line: OnLine | None = None,
    leash: Leash | None = None,
) -> Ended:
    """Runs it to its end. A failing program is an `Ended`; NotStarted and ProgramMissing say that there was none.

    `on_line` gets each line of stdout as it comes, `on_error_line` those of stderr; they must not raise, and may pull
    the `leash`. Cancelled, it ends the whole tree first.
    """
    refuse_nul(command)
    redact.learn(command.env)
    with ExitStack() as stack:
        tree = Tree(command, stack, leash or Leash())
        await tree.start()
        async with anyio.create_task_group() as group:
            group.start_soon(tree.listen)
            group.start_soon(tree.attend, on_line, on_error_line)
            try:
                await tree.order()
                await tree.watch()
            finally:
                with CancelScope(shield=True):
                    await tree.stop()
        return tree.ended()


class Tree:
    """A warden with its program, as the engine sees it. `stack` closes what is open."""

    def __init__(self, command: Command, stack: ExitStack, leash: Leash) -> None:
        self._command, self._leash = command, leash
        self._stack = stack
        self._transcript = Transcript(command.transcript)
        stack.callback(self._transcript.close)
        self._kept = Kept(command.keep_bytes), Kept(command.keep_bytes)
        tree, project = secrets.token_hex(8), command.env.get(leftover.MARK, "")
        self._marks = {leftover.TREE: tree, leftover.WARDEN: project}  # of the warden itself
        self._mark, self._left = f"{leftover.TREE}={tree}", list[str]()
        self._report = bytearray()
        self._over, self._drained = anyio.Event(), anyio.Event()
        self._listening, self._reading = CancelScope(shield=True), CancelScope(shield=True)
        self._began = self._alive_at = self._heard_at = time.monotonic()
        self._cpu_s = 0.0
        self._timed_out, self._stalled = False, ""

    async def start(self) -> None:
        try:
            self._channel, far = (self._stack.enter_context(end) for end in socket.socketpair())
            self._channel.setblocking(False)
            (stdin, self._in), (self._out, stdout), (self._err, stderr) = (
                self._open_pipe() for _ in range(3)
            )
            os.set_blocking(self._in.fileno(), False)
            with CancelScope(shield=True):
                self._process = await anyio.open_process(
                    [*self._around, sys.executable, "-I", "-S", warden.__file__, str(far.fileno())],
                    stdin=stdin if self._command.stdin else subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stdout if self._command.merged else stderr,
                    cwd="/",
                    env=environment(LIBRARIES, self._marks),
                    start_new_session=True,
                    pass_fds=[far.fileno()],
                )
        except OSError as error:
            raise NotStarted(f"the system could not start a process: {error.strerror}") from error
        for theirs in (stdin, stdout, stderr, far):
            theirs.close()

    @property
    def _around(self) -> list[str]:
        command = self._command
        if command.sandbox is None:
            return []
        return sandbox.enter(command.sandbox, command.argv, command.env)

    def _open_pipe(self) -> tuple[FileIO, FileIO]:
        readable, writable = os.pipe()
        files = FileIO(readable, "rb"), FileIO(writable, "wb")
        for file in files:
            self._stack.enter_context(file)
        return files

    async def order(self) -> None:
        """Tells the warden what to run, in the words that `warden.main` reads."""
        command = self._command
        stops = " ".join(str(int(number)) for number in command.stop)
        pairs = (*(f"{name}={value}" for name, value in command.env.items()), self._mark)
        engine = os.getpid() if command.sandbox is None else sandbox.INSIDE
        head = (engine, command.grace_s, stops, command.cwd.absolute(), len(command.argv))
        fields = [os.fsencode(str(word)) for word in (*head, *command.argv, *pairs)]
        data = b"\0".join(fields)
        data = b"%08d%s" % (len(data), data)
        with suppress(ConnectionError):  # it died: the end of the channel says so
            while data:
                await anyio.wait_writable(self._channel)
                data = data[self._channel.send(data) :]

    async def listen(self) -> None:
        with self._listening, suppress(ConnectionError):
            while piece := await self._hear():
                self._report += piece
        self._over.set()

    async def _hear(self) -> bytes:
        await anyio.wait_readable(self._channel)
        return self._channel.recv(CHUNK)

    async def attend(self, on_line: OnLine | None, on_error_line: OnLine | None) -> None:
        try:
            with self._reading:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._feed)
                    async with anyio.create_task_group() as readers:
                        readers.start_soon(self._read, self._out, self._kept[0], on_line)
                        readers.start_soon(self._read, self._err, self._kept[1], on_error_line)
                    self._drained.set()
        finally:
            self._drained.set()

    async def _feed(self) -> None:
        rest = memoryview(self._command.stdin)
        with suppress(BrokenPipeError):  # it did not want to read on: its end says why
            while rest:
                await anyio.wait_writable(self._in)
                rest = rest[self._in.write(rest[:CHUNK]) or 0 :]
        self._in.close()

    async def _read(self, stream: FileIO, kept: Kept, on_line: OnLine | None) -> None:
        """Clean of secrets before anybody sees it."""
        lines, clean, chunk = Lines(), redact.stream(), b"\n"
        try:
            while chunk:
                await anyio.wait_readable(stream)
                chunk = stream.read(CHUNK) or b""
                self._alive_at = self._heard_at = time.monotonic()
                clear = clean.feed(chunk) if chunk else clean.finish()
                self._keep(kept, clear)
                if on_line is not None:
                    for line in chain(lines.feed(clear), () if chunk else lines.finish()):
                        on_line(line)
        finally:  # also where nobody waits for its end: what was held back is not lost
            self._keep(kept, clean.finish())

    def _keep(self, kept: Kept, clear: bytes) -> None:
        kept.add(clear)
        self._transcript.add(clear)

    async def watch(self) -> None:
        """Until it is over, or its time is, or it neither speaks nor works, or its leash is pulled."""
        timers = (self._command.stall_s, self._command.silent_s, self._command.timeout_s)
        look_s = max(0.02, min(filter(None, timers)) / 10)
        while not (self._timed_out or self._stalled or self._leash.pulled):
            wait_s = min(look_s, self._began + self._command.timeout_s - time.monotonic())
            due = time.monotonic() + wait_s
            with self._leash.wait(wait_s):
                await self._over.wait()
                return
            # we were stopped ourselves, as by Ctrl-Z
            late = time.monotonic() - min(due, self._leash.end_at) > LATE_S
            with anyio.move_on_after(CATCH_UP_S if late else 0.0):
                await self._over.wait()
                return
            now = time.monotonic()
            self._leash.pulled = now >= self._leash.end_at
            self._timed_out = now - self._began >= self._command.timeout_s
            self._stalled = "" if self._timed_out else self._hangs(now)

    def _hangs(self, now: float) -> str:
        silent_s, stall_s = self._command.silent_s, self._command.stall_s
        if silent_s is not None and now - self._heard_at >= silent_s:
            return f"no output for {silent_s:g} s"
        if stall_s is not None and self._is_idle(now, stall_s):
            return f"no output and no CPU for {stall_s:g} s"
        return ""

    def _is_idle(self, now: float, stall_s: float) -> bool:
        if not warden.LINUX:
            return False
        cpu_s = warden.read_cpu_s(self._process.pid)
        if abs(cpu_s - self._cpu_s) > IDLE * stall_s:
            self._cpu_s, self._alive_at = cpu_s, now
        return now - self._alive_at >= stall_s

    async def stop(self) -> None:
        """Nothing of it runs afterwards; at once if it is over already. Takes at most the graces, ANSWER_S and what a last resort takes."""
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
        if not self._over.is_set():
            self._wake()
        with anyio.move_on_after(len(self._command.stop) * self._command.grace_s + ANSWER_S):
            await self._over.wait()
        if not any(self._said(word) for word in ("exit", "signal")):
            await self._kill()
        with anyio.move_on_after(DRAIN_S):
            await self._drained.wait()
        self._reading.cancel()
        self._listening.cancel()
        with anyio.move_on_after(DRAIN_S):
            await self._process.wait()

    def _wake(self) -> None:
        """A warden that somebody has stopped cannot end its tree."""
        if self._command.sandbox is not None:
            leftover.wake(self._mark)
        elif self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGCONT)

    async def _kill(self) -> None:
        """The last resort: the warden does not answer, or somebody killed it."""
        inside = self._command.sandbox is not None  # all is below bwrap, the numbers are its own
        for below in warden.read_tree(self._process.pid) if inside else ():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(below, signal.SIGKILL)
        for pid in () if inside else self._said("pid"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(int(pid), signal.SIGKILL)
        if not self._over.is_set():
            with suppress(ProcessLookupError):
                self._process.kill()
        self._left = await leftover.end(self._mark)
        if await leftover.look(self._mark):
            self._left.append("and something that could not be ended")

    def _said(self, word: str) -> list[str]:
        lines = (
            line.partition(" ") for line in self._report.decode("utf-8", "replace").splitlines()
        )
        return [value for name, _, value in lines if name == word]

    def ended(self) -> Ended:
        for trouble in self._said("cannot"):
            self._refuse(*trouble.split())
        if self._command.sandbox is not None and not self._said("pid"):
            why = " ".join((self._kept[1].text() + self._kept[0].text()).split())
            raise NotStarted(f"the sandbox could not be made: {why or 'bwrap was ended'}")
        code, number = ([int(value) for value in self._said(word)] for word in ("exit", "signal"))
        return Ended(
            exit_code=code[0] if code else None,
            signal=number[0] if number else None,
            stdout=self._kept[0].text(),
            stderr=self._kept[1].text(),
            timed_out=self._timed_out,
            stalled=self._stalled,
            pulled=self._leash.pulled,
            duration_s=time.monotonic() - self._began,
            survivors=tuple(
                redact.head(words, SHOWN) for words in (*self._said("survivor"), *self._left)
            ),
            warnings=(self._transcript.trouble,) if self._transcript.trouble else (),
        )

    def _refuse(self, stage: str, number: str) -> None:
        reason = os.strerror(int(number))
        if stage == "program":
            raise ProgramMissing(f"cannot execute {self._command.argv[0]!r}: {reason}")
        raise NotStarted(f"cannot work in {str(self._command.cwd)!r}: {reason}")
