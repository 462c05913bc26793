"""What an attempt read and what of it was needed: from its steps alone. Refuses to call a file needed only because it was read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from statistics import mean

from orchestrator import shell
from orchestrator.history import Tried
from orchestrator.model import Step, StepKind, Task
from orchestrator.model.outloop import Context, Profile

READERS = frozenset({"cat", "head", "tail", "nl", "less", "more", "sed", "bat"})
# These look at what they name. To be looked at is no need of it.
LOOKING = READERS | {
    "ls",
    "grep",
    "egrep",
    "fgrep",
    "rg",
    "find",
    "fd",
    "tree",
    "wc",
    "file",
    "stat",
    "du",
}
LOOKING_GIT = frozenset({"diff", "status", "log", "show", "blame", "grep", "ls-files"})
DOCS = frozenset({".md", ".rst", ".txt", ".adoc"})
TOGETHER = 3  # so many files of one kind in one folder are named by a glob
TYPICAL = 0.5  # used in this share of the attempts
PER_FILE = 360  # tokens of a file of unknown size, where the settings say nothing else
MOST = 12  # files that a profile names


def measure(task: Task, tried: Sequence[Tried], per_file: int = PER_FILE) -> Context:
    """Of all tries of a task together. Used is what was changed, what the task declares, and what a later command, its check or another step names."""
    steps = [step for one in tried for step in one.steps]
    changed = {file for one in tried if one.kept for file in one.kept.files}
    return of_steps(steps, per_file, changed | set(task.files or ()), task.commands)


def of_steps(
    steps: Sequence[Step],
    per_file: int = PER_FILE,
    needed: Collection[str] = (),
    checks: Sequence[str] = (),
) -> Context:
    """The same of steps alone. `needed`: what was used in any case."""
    loaded = dict(_loaded(steps))
    changed = {step.target for step in steps if step.kind is StepKind.WRITE}
    used = changed | set(_named([*_commands(steps), *checks])) | set(needed)
    return calculate(loaded, {file for file in loaded if _is_among(file, used)}, per_file)


def calculate(loaded: Mapping[str, int | None], used: Collection[str], per_file: int) -> Context:
    """Four bytes are taken for a token; a file of unknown size for `per_file` of them."""
    sizes = [size for file, size in loaded.items() if file not in used]
    known = [size for size in sizes if size is not None]
    waste = sum(known) // 4 + (len(sizes) - len(known)) * per_file
    return Context(loaded=loaded, used=tuple(sorted(used)), waste_tokens=waste)


def together(contexts: Iterable[Context]) -> Context:
    """As if one had read it all; a file that several read counts for each."""
    loaded, used, waste = dict[str, int | None](), list[str](), 0
    for number, one in enumerate(contexts):
        waste += one.waste_tokens
        loaded |= {f"{number}:{file}": size for file, size in one.loaded.items()}
        used += [f"{number}:{file}" for file in one.used]
    return Context(loaded=loaded, used=tuple(used), waste_tokens=waste)


def profile(signature: str, contexts: Sequence[Context]) -> Profile | None:
    """None where none of them read anything."""
    contexts = [one for one in contexts if one.loaded]
    if not contexts:
        return None
    seen = Counter(file for one in contexts for file in one.used)
    least = TYPICAL * len(contexts)
    typical = [file for file, count in seen.most_common() if count >= least][:MOST]
    docs = tuple(sorted(file for file in typical if _suffix(file) in DOCS))
    return Profile(
        signature=signature,
        attempts=len(contexts),
        files=tuple(sorted(set(typical) - set(docs))),
        docs=docs,
        mean_loaded=mean(len(one.loaded) for one in contexts),
        mean_efficiency=mean(one.efficiency or 0.0 for one in contexts),
        mean_waste_tokens=mean(one.waste_tokens for one in contexts),
        globs=recommend(set(typical)),
    )


def recommend(files: Collection[str]) -> tuple[str, ...]:
    """Files as few words: those of one kind in one folder as a glob."""
    groups = defaultdict[tuple[str, str], list[str]](list)
    for file in files:
        groups[str(PurePosixPath(file).parent), _suffix(file)].append(file)
    found = list[str]()
    for (folder, suffix), those in groups.items():
        prefix = "" if folder == "." else f"{folder}/"
        found += [f"{prefix}*{suffix}"] if len(those) >= TOGETHER else those
    return tuple(sorted(found))


def _loaded(steps: Iterable[Step]) -> Iterator[tuple[str, int | None]]:
    """Files that were read by a tool for it, or by a command that prints them."""
    for step in steps:
        if step.kind is StepKind.READ and step.ok is not False and _is_file(step.target):
            yield step.target, step.size
        elif step.kind is StepKind.RUN and step.ok is not False:
            yield from ((file, None) for file in _printed(step.target))


def _printed(script: str) -> Iterator[str]:
    for command in shell.commands(script):
        if command.words and command.words[0] in READERS:
            yield from (word for word in command.words[1:] if _is_file(word))


def _commands(steps: Iterable[Step]) -> Iterator[str]:
    return (step.target for step in steps if step.kind is StepKind.RUN)


def _named(scripts: Iterable[str]) -> Iterator[str]:
    """Files and folders in commands that do more than look at them."""
    for script in scripts:
        for command in shell.commands(script):
            if command.words and not _only_looks(command.words):
                yield from (word.split("::")[0] for word in command.words[1:])


def _only_looks(words: Sequence[str]) -> bool:
    program = PurePosixPath(words[0]).name
    if program == "git":
        return bool(LOOKING_GIT.intersection(words[1:4]))
    if program == "sed" and any(word.startswith(("-i", "--in-place")) for word in words):
        return False
    runs = {"-exec", "-execdir", "-ok", "-okdir", "-delete"}
    return program in LOOKING and not runs.intersection(words)


def _is_file(word: str) -> bool:
    plain = not word.startswith("-") and not set(word) & set("*?[]{}()$;|<>\"'\n, ")
    return plain and bool(_suffix(word)) and not word.endswith("/")


def _is_among(file: str, used: Collection[str]) -> bool:
    """By its name, or by a folder above it that a command was given: `pytest tests` uses what is in there."""
    path = PurePosixPath(file)
    return any(str(one) in used for one in (path, *path.parents) if str(one) != ".")


def _suffix(file: str) -> str:
    return PurePosixPath(file).suffix
