"""bubblewrap around a warden: what a Sandbox says, as its command line. Refuses nothing by itself: `trouble` says where it cannot work.

engine -> bwrap -> warden (process 1 of its own process namespace) -> the program. The warden is inside: signals reach the
program as they do without a sandbox, and a bwrap that got them would end everything before it could say goodbye. If bwrap
dies the warden is told, if the warden dies the kernel ends all that is in there.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath

from orchestrator.model import Access, Sandbox
from orchestrator.process import brief

PROGRAM = "bwrap"
PROBE_S = 20.0
INSIDE = 0  # what the first process of a namespace sees as its parent
APART = (
    "--die-with-parent", "--new-session", "--unshare-pid", "--as-pid-1", "--unshare-ipc",
    "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
)  # fmt: skip
KERNEL = ("sys", "sysrq-trigger", "irq", "bus", "fs")  # below /proc: of the whole machine
KEPT = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "NET_BIND_SERVICE")
NEXT = "install it (Debian, Ubuntu: apt install bubblewrap)"


async def trouble(*, network: bool = True) -> str | None:
    """Why there can be no sandbox on this machine, with the next step; None: there can. One without a network asks for more."""
    if sys.platform != "linux":
        return f"bubblewrap needs Linux, and this is {sys.platform}"
    if shutil.which(PROGRAM) is None:
        return f"bubblewrap is not installed; {NEXT}"
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    argv = (*_begin(network=network), "--", "/bin/sh", "-c", ":")
    try:
        said = await brief.call(argv, cwd=Path("/"), env=env, timeout_s=PROBE_S)
    except (OSError, brief.TooLong) as error:
        return f"bubblewrap does not work here ({error})"
    if said.code == 0:
        return None
    told = " ".join(said.stderr.split()) or f"exit {said.code}"
    return f"bubblewrap does not work here ({told}); allow user namespaces, or set sandbox.mode"


def enter(sandbox: Sandbox, argv: Iterable[str], env: Mapping[str, str]) -> list[str]:
    """What stands before the warden's command line. `argv` and `env` are the program's: where it is found, it must be seen.

    A place that has become a link since it was looked up is passed over: somebody wants more than they were given.
    """
    given = sandbox.places.items()
    places = {place: access for place, access in given if os.path.realpath(place) == place}
    for place in _needed(argv, env, [one for one in places if places[one] is Access.PRIVATE]):
        places.setdefault(place, Access.READ)
    words, hidden = list(_begin(network=sandbox.network)), list[str]()
    for place in sorted(places, key=lambda one: (len(PurePath(one).parts), one)):
        match places[place]:
            case Access.WRITE:
                words += ("--bind-try", place, place)
            case Access.READ:
                words += ("--ro-bind-try", place, place)
            case Access.PRIVATE if os.path.isdir(place):
                words += ("--bind", sandbox.temporary, place)
            case Access.HIDDEN if os.path.isdir(place):
                words += ("--tmpfs", place)
                hidden += ("--remount-ro", place)  # when all that is seen in it is there
            case Access.HIDDEN if os.path.exists(place):
                words += ("--dev-bind", os.devnull, place)  # empty, and no error for who reads it
    return [*words, *hidden, "--"]


def _begin(*, network: bool) -> Iterator[str]:
    yield shutil.which(PROGRAM) or PROGRAM
    yield from APART
    for name in KERNEL:
        yield from ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")
    yield from () if network else ("--unshare-net",)
    if os.geteuid() == 0:  # it has no namespace of users, and could make the system writable again
        yield from ("--cap-drop", "ALL")
        for name in KEPT:
            yield from ("--cap-add", f"CAP_{name}")
    yield from ("--chdir", "/")


def _needed(argv: Iterable[str], env: Mapping[str, str], private: list[str]) -> Iterator[str]:
    """Programs that lie in a place which is not seen: our own interpreter, the program itself, all that is on its PATH."""
    ours = (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), os.path.dirname(__file__))
    own = [os.path.dirname(word) for word in list(argv)[:1] if os.path.isabs(word)]
    path = [_whole(one) for one in env.get("PATH", "").split(os.pathsep) if os.path.isabs(one)]
    for place in map(os.path.realpath, (*ours, *own, *path)):
        if any(PurePath(place).is_relative_to(one) and place != one for one in private):
            yield place


def _whole(folder: str) -> str:
    """Programs in a `bin` need what lies beside it."""
    above = os.path.dirname(folder.rstrip("/"))
    return above if os.path.basename(folder.rstrip("/")) == "bin" else folder
