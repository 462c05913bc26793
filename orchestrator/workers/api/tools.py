"""What the model can do: six tools in the workspace, each with bounded output; refuses whatever leaves it, and leaves nothing running."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from anyio import to_thread
from pydantic import BaseModel, Field, ValidationError

from orchestrator import process
from orchestrator.model import Attempt
from orchestrator.process import Command, Ended, NotStarted
from orchestrator.workers.api.confined import PRUNED, Folder, Refused

SHOWN_BYTES = 30_000  # of one answer of a tool
SHOWN_LINES, LONGEST_LINE, MOST_FILES = 1000, 2000, 500
COMMAND_S, SEARCH_S = 300, 30
Short = Annotated[str, Field(max_length=4096)]


class ReadFile(BaseModel):
    """Reads a text file of the workspace, or some of its lines."""

    path: Short = Field(description="relative to the workspace")
    start: int = Field(default=1, ge=1, description="the first line")
    lines: int = Field(default=SHOWN_LINES, ge=1, le=SHOWN_LINES)


class WriteFile(BaseModel):
    """Creates a file or replaces all of its content; makes the folders above it."""

    path: Short = Field(description="relative to the workspace")
    content: str


class EditFile(BaseModel):
    """Replaces a piece of a file. `old` must stand in it exactly once, blanks and all."""

    path: Short = Field(description="relative to the workspace")
    old: str
    new: str


class ListFiles(BaseModel):
    """Lists files by a glob: *.py in every folder, src/**/*.py below src."""

    pattern: Short = "**"


class Search(BaseModel):
    """Searches the text of files for an extended regular expression; answers path:line:text."""

    regex: Short
    pattern: Short = Field(default="*", description="names of the files that are searched: *.py")


class Bash(BaseModel):
    """Runs a command with bash in the workspace. What it leaves running is ended with it."""

    command: str
    timeout_s: float = Field(default=COMMAND_S, gt=0, description="seconds")


class Answer(NamedTuple):
    """What a tool says. `exit_code` is of a command."""

    text: str
    ok: bool = True
    exit_code: int | None = None


ASKED: Mapping[str, type[BaseModel]] = {
    "read_file": ReadFile,
    "write_file": WriteFile,
    "edit_file": EditFile,
    "list_files": ListFiles,
    "search": Search,
    "bash": Bash,
}


class Tools:
    """The tools of one attempt."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._folder = Folder(Path(attempt.workspace))
        self._known: Mapping[str, Callable[[Any], Awaitable[Answer]]] = {
            "read_file": self._read,
            "write_file": self._write,
            "edit_file": self._edit,
            "list_files": self._list,
            "search": self._search,
            "bash": self._bash,
        }

    async def use(self, name: str, arguments: Any) -> Answer:
        """Whatever the model asks, it gets an answer."""
        if name not in ASKED:
            return Answer(f"there is no tool {name!r}; there are: {', '.join(ASKED)}", ok=False)
        try:
            answer = await self._known[name](ASKED[name].model_validate(arguments))
        except ValidationError as error:
            wrong = (
                f"{one['loc'][0] if one['loc'] else name}: {one['msg']}" for one in error.errors()
            )
            return Answer("; ".join(wrong), ok=False)
        except (Refused, NotStarted) as error:
            return Answer(str(error), ok=False)
        return answer._replace(text=bounded(answer.text))

    async def _read(self, asked: ReadFile) -> Answer:
        text = await to_thread.run_sync(self._folder.read, asked.path)
        return Answer(excerpt(text, asked.start, asked.lines))

    async def _write(self, asked: WriteFile) -> Answer:
        there = await to_thread.run_sync(self._folder.write, asked.path, asked.content)
        return Answer(f"{'replaced' if there else 'created'} {asked.path}")

    async def _edit(self, asked: EditFile) -> Answer:
        await to_thread.run_sync(self._folder.edit, asked.path, asked.old, asked.new)
        return Answer(f"changed {asked.path}")

    async def _list(self, asked: ListFiles) -> Answer:
        def look() -> list[str]:
            return list(islice(self._folder.files(asked.pattern), MOST_FILES + 1))

        found = await to_thread.run_sync(look)
        more = [f"[more than {MOST_FILES}: give a narrower pattern]"] if found[MOST_FILES:] else []
        return Answer("\n".join([*found[:MOST_FILES], *more]) or "no file fits")

    async def _search(self, asked: Search) -> Answer:
        """By grep: a regular expression can be made to run for ever, and in here it would stop everything."""
        pruned = (f"--exclude-dir={name}" for name in PRUNED)
        options = ("-rnIE", *pruned, f"--include={asked.pattern}", "-e", asked.regex)
        ended = await self._run(("grep", *options, "--", "."), SEARCH_S)
        if ended.timed_out or ended.exit_code not in (0, 1):
            return Answer(told(ended, SEARCH_S), ok=False, exit_code=ended.exit_code)
        lines = (line.removeprefix("./")[:LONGEST_LINE] for line in ended.stdout.splitlines())
        return Answer("\n".join(lines) or "nothing found")

    async def _bash(self, asked: Bash) -> Answer:
        limit_s = min(asked.timeout_s, self._attempt.timeout_s)
        argv = ("bash", "--noprofile", "--norc", "-c", asked.command)
        ended = await self._run(argv, limit_s)
        return Answer(told(ended, limit_s), ended.exit_code == 0, ended.exit_code)

    async def _run(self, argv: tuple[str, ...], limit_s: float) -> Ended:
        command = Command(
            argv=argv,
            cwd=Path(self._attempt.workspace),
            env=self._attempt.environment,
            timeout_s=limit_s,
            keep_bytes=SHOWN_BYTES,
            merged=True,
            sandbox=self._attempt.sandbox,
        )
        if any("\0" in word for word in argv):
            raise Refused("a command cannot hold a NUL")
        return await process.run(command)


def told(ended: Ended, limit_s: float) -> str:
    """How a command ended, and what it said."""
    how = f"ended by us: not done within {limit_s:g} s" if ended.timed_out else ended.how
    left = (f"[ended what it left running: {words}]" for words in ended.survivors)
    return "\n".join([ended.stdout.rstrip("\n"), *left, f"[{how}]"]).lstrip("\n")


def excerpt(text: str, start: int, count: int) -> str:
    """Some lines, with what is left out said."""
    lines = text.splitlines(keepends=True)
    shown = lines[start - 1 : start - 1 + count]
    if lines and not shown:
        raise Refused(f"it has {len(lines)} lines only")
    last = start - 1 + len(shown)
    rest = f"\n[lines {start} to {last} of {len(lines)}]" if len(shown) < len(lines) else ""
    return "".join(map(clipped, shown)) + rest if lines else "[the file is empty]"


def clipped(line: str) -> str:
    cut = len(line) - LONGEST_LINE
    return line if cut <= 0 else f"{line[:LONGEST_LINE]} [... {cut} characters cut ...]\n"


def bounded(text: str) -> str:
    """Head and tail, and how much is missing between them."""
    half = SHOWN_BYTES // 2
    data = text.encode("utf-8", "replace")
    if len(data) <= SHOWN_BYTES + 200:  # what process.run has cut already stays as it is
        return data.decode()
    mark = f"\n[... {len(data) - 2 * half} bytes cut ...]\n"
    return data[:half].decode("utf-8", "ignore") + mark + data[-half:].decode("utf-8", "ignore")
