"""A shell command as the operations that it does, `verb:tool[:scope[:variant]]`; runs nothing, raises for no text, and makes no operation of what only sets the stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator import shell
from orchestrator.model.outloop import Operation
from orchestrator.outloop import acts, unwrapped
from orchestrator.outloop.programs import VERBS
from orchestrator.outloop.words import bare, joined

EMPTY = "there is no command"
UNREADABLE = "bash could not read it"
STAGE_ONLY = "it only sets the stage: folders, variables, words on the screen"
DEEPEST = 4  # scripts inside of scripts
LONGEST = 2000  # characters that are looked at: to read nested substitutions takes the cube of them


def operations(script: str, root: str = "") -> list[Operation]:
    """All of them in order. `root` is the project's folder, where paths may be absolute."""
    return list(_Reading(root).read(_bounded(script)))


def main_operation(script: str, root: str = "") -> Operation | str:
    """The one with the strongest verb (VERBS is the order), of several the last; or why there is none."""
    script = _bounded(script)
    found = operations(script, root)
    if found:
        return min(reversed(found), key=lambda one: VERBS.index(one.verb))
    if not any(line.strip() and line.strip()[0] != "#" for line in script.splitlines()):
        return EMPTY
    readable = shell.is_sound(script) or shell.sound_commands(script)
    return STAGE_ONLY if readable else UNREADABLE


def _bounded(script: str) -> str:
    """What stands before the cut, without the word that it goes through."""
    if len(script) <= LONGEST:
        return script
    kept = script[:LONGEST]
    return kept.rsplit(maxsplit=1)[0] if kept.strip() else ""


class _Reading:
    """Where the reader stands: the folder of each subshell."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/")
        self._folders: dict[tuple[int, ...], str] = {}

    def read(
        self, script: str, around: tuple[int, ...] = (), depth: int = 0
    ) -> Iterator[Operation]:
        before: Operation | None = None
        for place, command in enumerate(shell.sound_commands(script)):
            inside = (*around, *command.inside)
            for one in unwrapped.inner([bare(word) for word in command.words]):
                text = unwrapped.script_of(one.words) if depth < DEEPEST else None
                if text is not None:
                    found = list(self.read(text, (*inside, -1 - place), depth + 1))
                else:
                    found = self._simple(one, command, inside, before)
                yield from found
                before = found[-1] if found else before

    def _simple(
        self,
        one: unwrapped.Inner,
        command: shell.Command,
        inside: tuple[int, ...],
        before: Operation | None,
    ) -> list[Operation]:
        if not one.words or not one.words[0]:
            return []
        here = self._folder(inside)
        if one.words[0] in ("cd", "pushd"):
            self._enter(inside, here, one.words[1:])
        base = joined(here, one.folder, self._root) if one.folder else here
        fed = command.fed and not one.handed
        scene = acts.Scene(
            base or "", self._root, command.writes, command.told, fed, one.handed, before
        )
        return list(acts.done(one.words, scene))

    def _enter(self, inside: tuple[int, ...], here: str, rest: Sequence[str]) -> None:
        path = next((word for word in rest if not word.startswith("-")), "")
        if path.startswith("/") and not self._root:
            self._root = path.rstrip("/")  # where nobody says which, the first is the project
        target = joined(here, path, self._root)
        if target is not None:
            self._folders[inside] = target

    def _folder(self, inside: tuple[int, ...]) -> str:
        sizes = range(len(inside), -1, -1)
        return next((self._folders[inside[:n]] for n in sizes if inside[:n] in self._folders), "")
