"""A program of its own that stands between the engine and one agent: it refuses to leave before the agent's whole tree has.

Started by path (`python -I -S warden.py FD`), it imports nothing of ours. FD is one end of a socket pair. The order comes
in on it (see `process.py`), the report goes out: lines of a word and a value (`pid exit signal cannot survivor`). When the
other end closes, the engine is gone or wants an end: both mean the same, so not even `kill -9` of the engine leaves a tree.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable

LINUX = sys.platform == "linux"
LINGER_S = 0.5  # what outlives the agent may finish by itself, then it is ended
GIVE_UP_S = 10.0  # a process of another user cannot be ended: say so and leave
CHASE = 200
LOOK_S = 0.5  # how often a system without a death signal looks for the engine
SURVIVORS = 20  # as many command lines as are worth reading
COMMAND_LINE = (
    4000  # bytes of one that the engine hears of; it takes secrets out, then shows its beginning
)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


# --- reading the process table (Linux) -----------------------------------------------------------


def read_stat(pid: str) -> list[bytes] | None:
    """The fields of /proc/PID/stat after the name: 0 state, 1 parent, 11..14 CPU ticks. None: gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return None


def read_tree(root: int) -> dict[int, list[bytes]]:
    """Everything below `root`, each with its stat. Empty where there is no /proc."""
    if not LINUX:
        return {}
    table = {
        int(pid): stat for pid in os.listdir("/proc") if pid.isdigit() and (stat := read_stat(pid))
    }
    children: dict[int, list[int]] = {}
    for pid, stat in table.items():
        children.setdefault(int(stat[1]), []).append(pid)
    found, rest = {}, list(children.get(root, ()))
    while rest:
        pid = rest.pop()
        found[pid] = table[pid]
        rest += children.get(pid, ())
    return found


def read_children() -> list[int]:
    """Our own children alone, in one read. Empty where the kernel does not list them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb", buffering=0) as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def read_cpu_s(root: int) -> float:
    """CPU seconds used below `root` until now, by the living and by those already reaped."""
    ticks = sum(sum(map(int, stat[11:15])) for stat in read_tree(root).values())
    own = read_stat(str(root))
    ticks += sum(map(int, own[13:15])) if own else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def read_command_line(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
            words = file.read(COMMAND_LINE).replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        words = ""
    return " ".join(words.split()) or f"process {pid}"


# --- what the warden is --------------------------------------------------------------------------


class Warden:
    """One agent's tree. `main` is its first process and the leader of its session."""

    def __init__(self, channel: int, wake: int, engine: int) -> None:
        self.channel, self.wake, self.engine = channel, wake, engine
        self.main = 0
        self.status: int | None = None
        self.alone = False  # nobody below us is left
        self.told = False  # to end it

    def say(self, word: str, value: object) -> None:
        """The engine may be gone; then nobody listens, and that changes nothing."""
        try:
            os.write(self.channel, f"{word} {value}\n".encode("utf-8", "replace"))
        except OSError:
            self.told = True

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.alone = LINUX or not self.has_group()
                return
            if pid == 0:
                self.alone = False
                return
            if pid == self.main:
                self.status = status

    def has_group(self) -> bool:
        return self.signal_group(0)

    def signal_group(self, number: int) -> bool:
        try:
            os.killpg(self.main, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            return number == 0
        return True

    def listen(self, seconds: float) -> None:
        """Sleeps until a signal, a word from the engine, or the time."""
        if not self.told and os.getppid() != self.engine:
            self.told = True
            return
        ears = [self.wake] if self.told else [self.wake, self.channel]
        heard, _, _ = select.select(ears, [], [], max(0.0, seconds))
        if self.wake in heard:
            self.told |= any(number != signal.SIGCHLD for number in os.read(self.wake, 4096))
        if self.channel in heard:
            self.told = True  # an order is all that it ever says: this is the end of the channel

    def wait_until(self, true: Callable[[], bool], seconds: float | None = None) -> bool:
        limit = None if seconds is None else time.monotonic() + seconds
        while True:
            self.reap()
            if true():
                return True
            left = 3600.0 if limit is None else limit - time.monotonic()
            if left <= 0:
                return False
            self.listen(left if LINUX else min(left, LOOK_S))

    def guard(self, stops: list[int], grace_s: float) -> None:
        """From the start of the agent to the end of the last process below us."""
        self.wait_until(lambda: self.status is not None or self.told)
        if self.status is None:
            self.ask(stops, grace_s)
        self.wait_until(lambda: self.alone or self.status is None, min(LINGER_S, grace_s))
        self.sweep()

    def ask(self, stops: list[int], grace_s: float) -> None:
        for number in stops:
            self.signal_group(number)
            if self.wait_until(lambda: self.status is not None, grace_s):
                return

    def sweep(self) -> None:
        """Kills until nobody is left. As subreaper we inherit every orphan, so `alone` is a proof."""
        named: set[int] = set()
        limit = time.monotonic() + GIVE_UP_S
        while not self.alone and time.monotonic() < limit:
            if not LINUX:
                self.name(self.main, named, "a process of its group")
                self.signal_group(signal.SIGKILL)
            for pid, stat in read_tree(os.getpid()).items():
                if stat[0] != b"Z":
                    self.name(pid, named, read_command_line(pid))
                    self.kill(pid)
            if not self.wait_until(lambda: self.alone, 0.01):
                self.chase()
        if not self.alone:
            self.say("survivor", "and something that could not be ended")

    def chase(self) -> None:
        """A process that lives only to start the next is gone before a full list is read: look close and often."""
        for _ in range(CHASE):
            self.reap()
            for pid in read_children():
                self.kill(pid)

    def name(self, pid: int, named: set[int], words: str) -> None:
        if pid not in named and len(named) < SURVIVORS and (pid != self.main or not LINUX):
            self.say("survivor", words)
        named.add(pid)

    def kill(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def report(self) -> None:
        if self.status is None:
            return
        code = os.waitstatus_to_exitcode(self.status)
        self.say("exit" if code >= 0 else "signal", abs(code))


# --- starting the agent --------------------------------------------------------------------------


def become(argv: list[bytes], cwd: bytes, env: dict[bytes, bytes], trouble: int) -> None:
    """The child's side: own session, signals as a fresh program has them, then the agent itself."""
    stage = "directory"
    try:
        os.setsid()
        set_death_signal(signal.SIGKILL)  # the warden itself may be killed
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            if signal.getsignal(number) is not signal.SIG_DFL:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.chdir(cwd)
        stage = "program"
        os.execvpe(argv[0], argv, env)  # noqa: S606 - an argument list, no shell
    except (OSError, ValueError) as error:
        os.write(trouble, f"{stage} {getattr(error, 'errno', None) or 22}".encode())
    finally:
        os._exit(127)


def start(argv: list[bytes], cwd: bytes, env: dict[bytes, bytes]) -> tuple[int, str]:
    """The pid, and what kept it from starting (`program 2`), empty when it runs."""
    hear, trouble = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(argv, cwd, env, trouble)
    os.close(trouble)
    words = os.read(hear, 100).decode()
    os.close(hear)
    return pid, words


def set_death_signal(number: int) -> None:
    if LINUX:
        prctl(PR_SET_PDEATHSIG, number)


def prctl(option: int, value: int) -> None:
    import ctypes  # only Linux pays for it

    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def read_order(channel: int) -> list[bytes]:
    """Eight digits of length, then fields with a NUL between: what argv and environment cannot hold."""
    data = b""
    while len(data) < 8 or len(data) < 8 + int(data[:8]):
        piece = os.read(channel, 1 << 20)
        if not piece:
            sys.exit(0)  # the engine was gone before there was anything to do
        data += piece
    return data[8:].split(b"\0")


def settle() -> int:
    """Signals become bytes in a pipe: one place to wait for them and for the engine."""
    wake, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    set_death_signal(signal.SIGTERM)
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    return wake


def let_go_of_streams() -> None:
    """Only the agent may hold them, or nobody would ever see their end."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def main(channel: int) -> None:
    os.set_inheritable(channel, False)
    wake = settle()
    engine, grace, stops, cwd, count, *words = read_order(channel)
    split = int(count)
    env = dict(pair.partition(b"=")[::2] for pair in words[split:])
    warden = Warden(channel, wake, int(engine))
    warden.main, trouble = start(words[:split], cwd, env)
    let_go_of_streams()
    warden.say("cannot" if trouble else "pid", trouble or warden.main)
    warden.guard([int(number) for number in stops.split()], float(grace))
    warden.report()


if __name__ == "__main__":
    main(int(sys.argv[1]))
