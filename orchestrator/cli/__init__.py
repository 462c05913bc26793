"""Words on a command line -> calls below, their end -> an exit code. Refuses to show a traceback for what is not our bug."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, NoReturn

import typer

from orchestrator import redact
from orchestrator.cli import (
    annotate,
    answer,
    context,
    estimate,
    learning,
    ledgering,
    lint,
    logs,
    look,
    patterns,
    plans,
    quota,
    reporting,
    routes,
    run,
    service,
    setup,
    tidying,
    tools,
)
from orchestrator.cli.page import Command, Group
from orchestrator.cli.terminal import err, settle_streams, show_json, tell
from orchestrator.errors import ApprovalNeeded, OrchestratorError, PlanError, UsageError

USAGE, BUG, INTERRUPTED = UsageError.exit_code, 70, 130
EXIT_CODES = (
    "Exit codes: 0 done, 1 tasks failed, 2 plan, 3 settings or workers, 4 records, "
    "5 waiting for a person, 64 usage, 70 our bug, 130 interrupted."
)


class Program(Group):
    """typer puts groups behind all commands; `runs` has its place among those that look."""

    def __init__(self, *, commands: dict[str, Any], **words: Any) -> None:
        names = [name for name in commands if name != "runs"]
        names.insert(names.index("show"), "runs")
        super().__init__(commands={name: commands[name] for name in names}, **words)


app = typer.Typer(
    cls=Program,
    help="Run annotated PLAN.md files with several coding agents at once, and believe only checked results.",
    epilog=EXIT_CODES,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs = typer.Typer(cls=Group, rich_markup_mode=None, invoke_without_command=True)
runs.callback()(look.runs)
runs.command("clean", cls=Command)(tidying.clean)
ledger = typer.Typer(
    cls=Group, rich_markup_mode=None, no_args_is_help=True, help="Outcomes of all your runs."
)
ledger.command("tail", cls=Command)(ledgering.tail)
ledger.command("import", cls=Command)(ledgering.import_)
ledger.command("export", cls=Command)(ledgering.export)
ledger.command("amend", cls=Command)(ledgering.amend)
ledger.command("check", cls=Command)(ledgering.check)
reads = typer.Typer(
    cls=Group, rich_markup_mode=None, no_args_is_help=True, help="What agents read and needed."
)
reads.command("profile", cls=Command)(context.profile)
scripts = typer.Typer(
    cls=Group, rich_markup_mode=None, no_args_is_help=True, help="Scripts in place of a model."
)
scripts.command("list", cls=Command)(tools.list_)
scripts.command("add", cls=Command)(tools.add)
scripts.command("remove", cls=Command)(tools.remove)
scripts.command("enable", cls=Command)(tools.enable)
scripts.command("disable", cls=Command)(tools.disable)
scripts.command("test", cls=Command)(tools.try_)
learned = typer.Typer(cls=Group, rich_markup_mode=None, invoke_without_command=True)
learned.callback()(patterns.patterns)
learned.command("show", cls=Command)(patterns.show)
learned.command("analyze", cls=Command)(patterns.analyze)
learned.command("approve", cls=Command)(patterns.approve)
learned.command("reject", cls=Command)(patterns.reject)
learned.command("deprecate", cls=Command)(patterns.deprecate)
learned.command("propose", cls=Command)(patterns.propose)
learned.command("backfill", cls=Command)(patterns.backfill)
app.callback()(setup.program)
app.command("run", cls=Command)(run.run)
app.command("resume", cls=Command)(run.resume)
app.command("retry", cls=Command)(run.retry)
app.command("revert", cls=Command)(tidying.revert)
app.command("recover", cls=Command)(tidying.recover)
app.command("lint", cls=Command)(lint.lint)
app.command("validate", cls=Command, hidden=True)(lint.lint)
app.command("graph", cls=Command)(plans.graph)
app.command("annotate", cls=Command)(annotate.annotate)
app.command("estimate", cls=Command)(estimate.estimate)
app.command("route", cls=Command)(routes.route)
app.add_typer(runs, name="runs")
app.command("show", cls=Command)(look.show)
app.command("explain", cls=Command)(look.explain)
app.command("logs", cls=Command)(logs.logs)
app.command("watch", cls=Command)(service.watch)
app.command("serve", cls=Command)(service.serve)
app.command("trust", cls=Command)(service.trust)
app.command("cancel", cls=Command)(service.cancel)
app.command("notify", cls=Command)(service.notify)
app.command("approve", cls=Command)(answer.approve)
app.command("reject", cls=Command)(answer.reject)
app.command("learn", cls=Command)(learning.learn)
app.command("report", cls=Command)(reporting.report)
app.command("stats", cls=Command)(reporting.stats)
app.command("quota", cls=Command)(quota.quota)
app.add_typer(ledger, name="ledger")
app.add_typer(reads, name="context")
app.add_typer(learned, name="patterns")
app.add_typer(scripts, name="tools")
app.command("doctor", cls=Command)(setup.doctor)
app.command("init", cls=Command)(setup.init)
app.command("hook", cls=Command)(setup.hook)
app.command("version", cls=Command)(setup.version)


def main() -> NoReturn:
    redact.learn(os.environ)
    settle_streams()
    words = sys.argv[1:]
    sys.exit(_call([*words[1:], "--help"] if words[:1] == ["help"] else words))


def _call(words: list[str]) -> int:
    as_json = "--json" in words or "--format json" in " ".join(words).replace("=", " ")
    try:
        command = typer.main.get_command(app)
        code: Any = command.main(words, prog_name="orchestrator", standalone_mode=False)
    except BaseExceptionGroup as group:  # a task group wraps what went wrong in it
        return _explain(_first(group), as_json=as_json)
    except (Exception, KeyboardInterrupt) as error:
        # Ctrl-C while a class is made comes as an error of that class
        is_ours = not isinstance(error.__cause__, KeyboardInterrupt)
        return _explain(error if is_ours else KeyboardInterrupt(), as_json=as_json)
    return code if isinstance(code, int) else 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Ours if there is one, else all of them."""
    ours = group.subgroup(OrchestratorError)
    inner: BaseException = ours or group
    while isinstance(inner, BaseExceptionGroup) and (ours or len(inner.exceptions) == 1):
        inner = inner.exceptions[0]
    return inner


def _explain(error: BaseException, *, as_json: bool = False) -> int:
    """On stderr for people; on stdout too where a program waits for a document."""
    code, text = _say(error)
    if as_json:
        show_json({"version": 1, "exit_code": code, "error": text, **_located(error)})
    return code


def _say(error: BaseException) -> tuple[int, str]:
    match error:
        case PlanError(diagnostics=[_, *_]):
            from orchestrator.cli import diagnostics

            diagnostics.show_refusal(err(), error)
            return error.exit_code, str(error)
        case OrchestratorError():
            return _error(error.exit_code, str(error))
        case typer.Abort() | KeyboardInterrupt():
            return _error(INTERRUPTED, "interrupted")
    if hasattr(error, "format_message"):  # what typer calls its usage errors differs by version
        return _misused(error)
    return _our_bug(error)


def _located(error: BaseException) -> dict[str, Any]:
    if isinstance(error, ApprovalNeeded):
        return error.document
    if not isinstance(error, PlanError):
        return {}
    from orchestrator.cli import diagnostics

    return {"diagnostics": diagnostics.as_json(error.diagnostics)}


def _error(code: int, text: str) -> tuple[int, str]:
    tell("error", text, "bold red")
    return code, text


def _misused(error: Any) -> tuple[int, str]:
    """No message: no command was given, and the help has been shown."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        err().print(message)
        return USAGE, message
    message = " ".join(message.split()).replace(": Value error, ", ": ")
    _error(USAGE, message)
    if context is not None:
        err().print(f"  next: {context.command_path} --help")
    return USAGE, message


def _our_bug(error: BaseException) -> tuple[int, str]:
    err().print("".join(traceback.format_exception(error)), end="")
    said = _error(
        BUG, "this is a bug in orchestrator, not in your plan. What was recorded is kept."
    )
    err().print("  next: report it with the lines above and what `orchestrator doctor` prints")
    return said
