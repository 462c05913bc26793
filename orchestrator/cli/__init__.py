"""Words on a command line -> calls below, their end -> an exit code. Refuses to show a traceback for what is not our bug."""

from __future__ import annotations

import sys
import traceback
from typing import Any, NoReturn

import typer

from orchestrator.cli import answer, look, plans, run, setup
from orchestrator.cli.page import Command, Group
from orchestrator.cli.terminal import err, lines
from orchestrator.errors import OrchestratorError, PlanError, UsageError

USAGE, BUG, INTERRUPTED = UsageError.exit_code, 70, 130
EXIT_CODES = (
    "Exit codes: 0 done, 1 tasks failed, 2 plan, 3 settings or workers, 4 records, "
    "5 waiting for a person, 64 usage, 70 our bug, 130 interrupted."
)

app = typer.Typer(
    cls=Group,
    help="Run annotated PLAN.md files with several coding agents at once, and believe only checked results.",
    epilog=EXIT_CODES,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(setup.program)
app.command("run", cls=Command)(run.run)
app.command("resume", cls=Command)(run.resume)
app.command("retry", cls=Command)(run.retry)
app.command("lint", cls=Command)(plans.lint)
app.command("validate", cls=Command, hidden=True)(plans.lint)
app.command("graph", cls=Command)(plans.graph)
app.command("runs", cls=Command)(look.runs)
app.command("show", cls=Command)(look.show)
app.command("explain", cls=Command)(look.explain)
app.command("approve", cls=Command)(answer.approve)
app.command("reject", cls=Command)(answer.reject)
app.command("doctor", cls=Command)(setup.doctor)
app.command("init", cls=Command)(setup.init)
app.command("version", cls=Command)(setup.version)


def main() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ✓ must not end a run
    sys.exit(_call())


def _call() -> int:
    command = typer.main.get_command(app)
    try:
        code: Any = command.main(prog_name="orchestrator", standalone_mode=False)
    except BaseExceptionGroup as group:  # a task group wraps what went wrong in it
        return _explain(_first(group))
    except (Exception, KeyboardInterrupt) as error:
        return _explain(error)
    return code if isinstance(code, int) else 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Ours if there is one, else all of them."""
    ours = group.subgroup(OrchestratorError)
    inner: BaseException = ours or group
    while isinstance(inner, BaseExceptionGroup) and (ours or len(inner.exceptions) == 1):
        inner = inner.exceptions[0]
    return inner


def _explain(error: BaseException) -> int:
    match error:
        case PlanError(diagnostics=[_, *_]):
            from orchestrator.cli import diagnostics

            diagnostics.show_refusal(err(), error)
            return error.exit_code
        case OrchestratorError():
            _say(str(error))
            return error.exit_code
        case typer.Abort() | KeyboardInterrupt():
            _say("interrupted")
            return INTERRUPTED
    if hasattr(error, "format_message"):  # what typer calls its usage errors differs by version
        return _misused(error)
    return _our_bug(error)


def _say(text: str) -> None:
    """`error: what`, with the next step on a line of its own."""
    for line in lines(text):
        what, _, step = line.partition(" Next: ")
        err().print(f"error: {what}", style="bold red")
        if step:
            err().print(f"  next: {step}")


def _misused(error: Any) -> int:
    """No message: no command was given, and the help has been shown."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        err().print(message)
        return int(USAGE)
    _say(message)
    if context is not None:
        err().print(f"  next: {context.command_path} --help")
    return int(USAGE)


def _our_bug(error: BaseException) -> int:
    err().print("".join(traceback.format_exception(error)), end="")
    _say("this is a bug in orchestrator, not in your plan. What was recorded is kept.")
    err().print("  next: report it with the lines above and what `orchestrator doctor` prints")
    return BUG
