"""One simple command as what it does: its verb, its tool, and where; by the tables of programs. Refuses nothing: a program that nobody knows is run."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from orchestrator.model.outloop import Operation
from orchestrator.outloop import tasks
from orchestrator.outloop.programs import (
    BY_ENDING,
    CHECKS,
    EDITS,
    INTERPRETERS,
    MODES,
    PACKAGERS,
    PROGRAMS,
    RUNNER,
    SHORT_CHECKS,
    STAGE,
    SUB,
    SUB_VALUES,
    SUBCOMMANDS,
    TASKS,
    TEST_FILE,
    WORDS,
    Program,
    Takes,
)
from orchestrator.outloop.words import Said, Where, first, joined, split, usual, where

ASKS = frozenset(["--version", "--help", "-V"])
WRITERS = frozenset(["echo", "printf", ":", "true"])
TEXT = frozenset(name for name, one in PROGRAMS.items() if one.verb == "read") | {"sed", "perl"}
VERSIONED = re.compile(r"[\[<>=!~;@ ].*", re.DOTALL)
PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
GIT_VALUES = "-m -n -b -B -S -G -L -U -F --format --author --since --until --max-count"
GIT_PATHS = frozenset(
    ["add", "rm", "mv", "ls-files", "blame", "restore", "clean", "apply", "annotate"]
)
GIT_VERBS = {"grep": "search", "apply": "edit", "am": "edit"}


class Scene(NamedTuple):
    """Where a simple command stands."""

    base: str  # its folder, from the root
    root: str
    writes: tuple[str, ...] = ()
    told: str = ""
    fed: bool = False
    handed: bool = False  # its paths come from `before`
    before: Operation | None = None

    def paths(self, said: Iterable[str], is_file: bool | None = None) -> list[Where]:
        full = (joined(self.base, _path(one), self.root) for one in said if "://" not in one)
        return [where(one, is_file) for one in full if one is not None]

    def operation(self, verb: str, tool: str, places: Sequence[Where] = ()) -> Operation:
        """In the one folder of all paths, else in `all`; with a variant where all of them are one file."""
        scopes = {one.scope for one in places} or {first(self.base)}
        files = {one.file for one in places}
        scope, variant = (scopes.pop() if len(scopes) == 1 else "all"), None
        if len(files) == 1:
            variant = files.pop()
        if self.handed and not places and self.before:
            scope, variant = self.before.scope or "all", self.before.variant
        return tasks.named(verb, tool, scope, variant)


def done(words: Sequence[str], scene: Scene) -> Iterator[Operation]:
    """What it does; nothing where it only sets the stage or passes on what it reads."""
    name, rest = usual(words[0]), words[1:]
    if not any(letter.isalnum() for letter in name) and name not in STAGE:
        return
    if "/" in words[0] and (name not in KNOWN or name == "test"):
        yield _script(words[0], rest, "", scene)
    elif name in STAGE:
        if scene.writes and name in WRITERS:
            yield scene.operation("edit", name, scene.paths(scene.writes, True))
    elif rest and (rest[0] in ASKS or (len(rest) == 2 and rest[1] in ASKS)):
        yield tasks.named(
            "read", PROGRAMS[name].tool or name if name in PROGRAMS else name, first(scene.base)
        )
    else:
        yield from _known(name, rest, scene)


def _known(name: str, rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    if name in HANDLERS:
        yield from HANDLERS[name](rest, scene)
    elif name in PACKAGERS:
        yield tasks.packaged(name, rest, scene.base, scene.root)
    elif name in TASKS:
        yield tasks.targeted(name, rest, scene.base, scene.root)
    elif name in INTERPRETERS:
        yield from _interpreted(name, rest, scene)
    elif name in SUBCOMMANDS:
        yield _subcommand(name, rest, scene)
    elif name in PROGRAMS:
        yield from _program(name, PROGRAMS[name], rest, scene)
    elif posixpath.splitext(name)[1] in BY_ENDING:
        yield _script(name, rest, "", scene)
    else:
        yield scene.operation("run", name)


def _program(name: str, one: Program, rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    said = split(rest, one.values.split())
    given = {flag for flag, _ in said.given} | set(said.flags)
    words = said.rest if given & set(one.instead.split()) else said.rest[one.skips :]
    if one.verb == "test" and words[:1] and words[0] in MODES:
        words = words[1:]
    if name == "unittest" and words[:1] == ("discover",):
        words = (said.value("-s", "--start-directory") or "", *words[1:])
    tool = one.tool or name
    places = _places(one.takes, words, said, scene)
    if one.verb == "read" and scene.writes and one.takes is not Takes.NOTHING:
        yield scene.operation("edit", tool, scene.paths(scene.writes, True))
    elif one.verb in ("read", "search") and not places and not scene.handed:
        yield from _filter(one, tool, scene)
    elif one.verb == "format" and _only_checks(tool, said):
        yield scene.operation("lint", tool, places)
    else:
        yield scene.operation(one.verb, tool, places)


def _filter(one: Program, tool: str, scene: Scene) -> Iterator[Operation]:
    """Without paths of its own: a filter passes on what it reads; one that searches in a file's text searches that file."""
    if not scene.fed:
        if not scene.told:
            yield scene.operation(one.verb, tool)
    elif one.verb == "search" and (before := scene.before) and before.verb == "read":
        yield from _searched(before, tool)


def _searched(read: Operation, tool: str) -> Iterator[Operation]:
    if read.tool in TEXT:
        yield read.model_copy(update={"verb": "search", "tool": tool})


def _places(takes: Takes, words: Sequence[str], said: Said, scene: Scene) -> list[Where]:
    match takes:
        case Takes.FILES:
            return scene.paths(words, True)
        case Takes.FOLDERS:
            return scene.paths(words, False)
        case Takes.LAST:
            return scene.paths(words[-1:])
        case Takes.LABELS:
            return _labels(words, scene)
        case Takes.NAMES:
            return _packages(words, said, scene)
        case Takes.PATHS:
            return scene.paths(words)
    return []


def _packages(words: Sequence[str], said: Said, scene: Scene) -> list[Where]:
    """The one package that is named, or the file that lists them."""
    listed = said.value("-r", "--requirement")
    if listed:
        return scene.paths([listed], True)
    names = [VERSIONED.sub("", word) for word in words]
    plain = [name for name in names if name and "/" not in name and not name.startswith(".")]
    return [Where(first(scene.base), name) for name in plain]


def _labels(words: Sequence[str], scene: Scene) -> list[Where]:
    """`app.module.Case` is the module of an app, wherever the runner is called."""
    found: list[Where] = []
    for word in words:
        if "/" in word or posixpath.splitext(_path(word))[1] in BY_ENDING:
            found += scene.paths([word])
        elif word and not word.isdigit() and word[0] not in "$`<>.":
            parts = word.split(".")
            found.append(Where(parts[0] or "all", parts[1] if len(parts) > 1 else None))
    return found


def _only_checks(tool: str, said: Said) -> bool:
    short = {letter for flag in said.flags if flag[1] != "-" for letter in flag[1:]}
    return bool(CHECKS & {*said.flags, *said.rest} or SHORT_CHECKS.get(tool, frozenset()) & short)


def _path(word: str) -> str:
    """Without what stands behind a path: `::test_case`, `:12`, `/...`."""
    word = re.sub(r"(::.*|:\d+(:\d+)?)$", "", word, flags=re.DOTALL)
    return re.sub(r"(^|/)\.\.\.$", r"\1", word) or "."


def _sed(rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    said = split(rest, ["-e", "-f", "-l", "--expression", "--file"])
    words = [word for word in said.rest if word]
    scripted = {flag for flag, _ in said.given} & {"-e", "-f", "--expression", "--file"}
    places = scene.paths(words if scripted else words[1:], True)
    inplace = any(flag.startswith("--in-place") for flag in said.flags)
    inplace |= any("i" in flag.partition(".")[0] for flag in said.flags if flag[1] != "-")
    if inplace:
        yield scene.operation("edit", "sed", places)
    elif scene.writes:
        yield scene.operation("edit", "sed", scene.paths(scene.writes, True))
    elif places or scene.handed or not (scene.fed or scene.told):
        yield scene.operation("read", "sed", places)


def _find(rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    words = [word for word in rest if word not in ("-L", "-H", "-P")]
    ends = (n for n, word in enumerate(words) if word[:1] in ("-", "(", "!") or word == "\\(")
    verb = "files" if "-delete" in words else "search"
    yield scene.operation(verb, "find", scene.paths(words[: next(ends, len(words))], False))


def _git(rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    ahead = split(rest, ["-C", "-c", "--git-dir", "--work-tree"], lead=True)
    folder = ahead.value("-C")
    if folder:
        scene = scene._replace(base=joined(scene.base, folder, scene.root) or scene.base)
    if not ahead.rest:
        return
    sub, *behind = ahead.rest
    cut = behind.index("--") if "--" in behind else len(behind)
    words = list(split(behind[:cut], GIT_VALUES.split()).rest)
    if sub == "grep":
        words = words[1:]
    elif sub not in GIT_PATHS:
        told = [word.rpartition(":")[2] for word in words if sub not in ("clone", "stash", "tag")]
        words = [word for word in told if where(word).file and "..." not in word]
    places = scene.paths([*words, *behind[cut + 1 :]])
    yield scene.operation(GIT_VERBS.get(sub, "vcs"), f"git-{sub}", places)


def _gh(rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    yield scene.operation("vcs", "-".join(("gh", *rest[:1])))


def _apply_patch(rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    """Codex' own: the patch names its files."""
    files = PATCHED.findall("\n".join((scene.told, *rest)))
    yield scene.operation("edit", "apply_patch", scene.paths(files, True))


def _django(rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    yield _managed("django-admin", rest, scene)


def _managed(tool: str, rest: Sequence[str], scene: Scene) -> Operation:
    said = split(rest, ["--settings", "--pythonpath", "--tag", "--exclude-tag", "-k"])
    sub, *words = said.rest or ("",)
    if not sub and ASKS & set(said.flags):
        return tasks.named("read", tool, first(scene.base))
    if sub in ("test", "check"):
        return scene.operation("test", tool, _labels(words, scene))
    return tasks.named("run", tool, first(scene.base), sub or None)


HANDLERS = {"sed": _sed, "gsed": _sed, "find": _find, "git": _git, "gh": _gh}
HANDLERS |= {"apply_patch": _apply_patch, "applypatch": _apply_patch, "django-admin": _django}
KNOWN = frozenset([*HANDLERS, *PACKAGERS, *TASKS, *INTERPRETERS, *SUBCOMMANDS, *PROGRAMS, *STAGE])


def _subcommand(name: str, rest: Sequence[str], scene: Scene) -> Operation:
    said = split(rest, SUB_VALUES.split())
    sub, words = (said.rest[0], said.rest[1:]) if said.rest else ("", ())
    verb = SUB[name].get(sub, SUBCOMMANDS[name][1])
    if name == "ruff" and sub not in SUB[name]:
        words = said.rest
    if verb == "format" and _only_checks(name, said):
        verb = "lint"
    if verb == "read":
        return scene.operation("read", f"{name}-{sub}")
    if verb == "install":
        return scene.operation(verb, name, _packages(words, said, scene))
    crate = said.value("-p", "--package") if name == "cargo" else None
    if crate:
        return tasks.named(verb, name, crate)
    if name in ("go", "ruff", "deno", "dart", "flutter", "dotnet"):
        return scene.operation(verb, name, scene.paths(words))
    variant = sub if verb == "run" and sub not in ("run", "r") else None
    return tasks.named(verb, name, first(scene.base), variant)


def _interpreted(name: str, rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    values, inline = INTERPRETERS[name]
    last = (*inline.split(), "-m") if name in ("python", "pypy") else inline.split()
    said = split(
        rest,
        values.split(),
        lead=name not in ("perl", "ruby"),
        last=last if name not in ("perl", "ruby") else (),
    )
    code = said.value(*inline.split())
    if name in ("perl", "ruby") and code is not None:
        yield from _streamed(name, said, code, scene)
    elif code is not None:
        yield _inline(name, code, scene)
    elif name in ("python", "pypy") and (module := said.value("-m")):
        yield from _module(module, said.rest, scene)
    elif not said.rest or said.rest[0] == "-":
        yield (
            _inline(name, scene.told, scene)
            if scene.told or scene.fed
            else scene.operation("run", name)
        )
    elif name == "node" and "--test" in said.flags:
        yield scene.operation("test", name, scene.paths(said.rest))
    else:
        yield _script(said.rest[0], said.rest[1:], name, scene)


def _streamed(name: str, said: Said, code: str, scene: Scene) -> Iterator[Operation]:
    """`perl -pi -e` edits its files, `perl -ne` reads them."""
    letters = {letter for flag in said.flags if flag[1] != "-" for letter in flag[1:]}
    places = scene.paths(said.rest, True)
    if "i" in letters:
        yield scene.operation("edit", name, places)
    elif not letters & {"n", "p"}:
        yield _inline(name, code, scene)
    elif places or not scene.fed:
        yield scene.operation("read", name, places)


def _inline(name: str, code: str, scene: Scene) -> Operation:
    """Code on the command line; one that opens files to write is an edit."""
    return tasks.named("edit" if EDITS.search(code) else "run", name, first(scene.base), "inline")


def _module(module: str, rest: Sequence[str], scene: Scene) -> Iterator[Operation]:
    top, *deeper = module.split(".")
    if module in KNOWN or top == "sphinx":
        yield from _known(top, rest, scene)
    elif top == "django":
        yield _managed("django-admin", (*deeper[:1], *rest), scene)
    elif deeper:
        yield tasks.named("run", "python", top or "all", deeper[-1])
    else:
        yield tasks.named("run", "python", first(scene.base), module)


def _script(path: str, rest: Sequence[str], by: str, scene: Scene) -> Operation:
    """A file that is run: the project's runner of tests, a file of tests, a task by its name, or just a script."""
    name = path.rpartition("/")[2]
    stem, ending = posixpath.splitext(name)
    tool = by or BY_ENDING.get(ending, name)
    place = scene.paths([path], True)
    if RUNNER.fullmatch(stem) and (ending in ("", ".sh") or stem.startswith("run")):
        values = ["--settings", "--tag", "-k", "--timeout", "-j", "--exclude-tag"]
        return scene.operation("test", stem, _labels(split(rest, values).rest, scene))
    if name == "manage.py":
        inside = joined(scene.base, posixpath.dirname(path) or ".", scene.root) or ""
        return _managed("manage", rest, scene._replace(base=inside))
    if name == "setup.py":
        sub = next((word for word in rest if not word.startswith("-")), "")
        verb = {"develop": "install"}.get(sub) or WORDS.get(sub.partition("_")[0], "run")
        return scene.operation(verb, "setup")
    if TEST_FILE.fullmatch(name):
        return scene.operation("test", tool, place)
    if WORDS.get(stem, "run") != "run" and ending in ("", ".sh"):
        return scene.operation(WORDS[stem], stem)
    if tool == name:  # who reads it is not known
        return scene.operation("run", tool, [one._replace(file=None) for one in place])
    return scene.operation("run", tool, place)
