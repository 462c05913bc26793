"""The words by which a task says that an operation is all that it wants; tables only, and it refuses to guess what else they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping

# What wants something to be done that exists already.
DOES = frozenset({"run", "execute", "invoke"})
SEES = frozenset({"check", "verify", "confirm", "ensure"})
# By verb of a signature: how people call it.
NAMES: Mapping[str, tuple[str, ...]] = {
    "test": ("test", "suite"),
    "build": ("build", "compile", "compilation"),
    "typecheck": ("typecheck",),
    "lint": ("lint", "linter"),
    "format": ("format", "formatter"),
}
# As the first word these may want something new: "Build the login page", "Test the login page".
AMBIGUOUS = frozenset({"test", "build"})
FORMS: Mapping[str, str] = {
    "rerun": "run", "re-run": "run", "running": "run", "runs": "run", "ran": "run",
    "executing": "execute", "executed": "execute", "invoking": "invoke",
    "testing": "test", "testsuite": "suite", "building": "build", "compiling": "compile",
    "type-check": "typecheck", "typechecker": "typecheck", "type-checker": "typecheck",
    "typechecking": "typecheck", "linting": "lint", "formatting": "format",
    "checking": "check", "verifying": "verify", "verification": "verify", "confirming": "confirm",
    "finishes": "finish", "finished": "finish", "finishing": "finish", "completed": "complete", "completing": "complete",
    "having": "have", "made": "make", "making": "make", "passing": "pass", "passes": "pass", "passed": "pass", "succeeds": "succeed",
    "successfully": "succeed", "exits": "exit", "pytests": "pytest",
}  # fmt: skip
# In <done>, of which operation a result speaks: "Built", "Linted", "No type errors".
RESULTS: Mapping[str, str] = {
    "built": "build", "compiled": "compile", "tested": "test", "linted": "lint", "formatted": "format", "typechecked": "typecheck",
    "type": "typecheck", "typescript": "typecheck",
}  # fmt: skip
# In <done>: the check says that itself. Not of warnings and issues, with which programs end well.
WELL = frozenset(
    """
    ok okay fine well work working clean cleanly successful run finish complete
    command check terminate end return
    """.split()  # noqa: SIM905
)
UNFINISHED = re.compile(
    r"\b(?:complete|finish|clean|check)(?= (?:the|all|any|every|each|this|these|those|our|your|it|them)\b)"
)
NOTHING_FAILS = re.compile(
    r"\b(?:there (?:are|is|were) )?(?:no|none|nothing|zero|0|without(?: any)?|free of)\b(?: of (?:them|it|the|these))?"
    r"((?: [\w-]+)?) (?:fail(?:s|ed|ures?|ing)?|errors?|broken)(?:,? (?:or|and|nor) (?:failures?|errors?))*\b"
)
# They add nothing to what is to be done.
STOP = frozenset(
    """
    a an the all any every each of for in on with and or then that this these it its is are be was at as to from by
    via using use here now once again still only just also both our your we you must should shall will can do does so
    please existing current project repository repo root codebase everything anything done pass green succeed success
    result report output exit code status zero 0 sure tell print show what which whether if they them
    """.split()  # noqa: SIM905
)
# After these `check`, `verify` and `confirm` are about what exists: "Check for tests" asks for some.
EXISTS = frozenset({"the", "that", "all", "our", "if", "whether", "it"})
ENDS = frozenset({"pass", "succeed", "success", "green", "compile"})
# Whoever says one of these wants more than the operation.
CONTRARY = frozenset(
    """
    fix write add implement create refactor update change edit modify remove delete rename move debug repair
    investigate diagnose improve introduce generate document deploy redeploy publish release commit push merge
    install configure setup migrate extend rewrite replace convert design author scaffold wire extract cover coverage
    mock skip upgrade bump review analyse analyze until unless except flaky fixing writing adding making address
    resolve adjust correct develop prepare draft clean-up cleanup audit compare measure optimise optimize rework
    retry revert restore resume record capture collect save store append insert triage split port never not without
    don't instead otherwise failing failed broken complete finish have has had make need provide exist there
    error failure warning issue problem
    """.split()  # noqa: SIM905
)
# "no failures" is the plain wish of who runs anything ("no warnings" is more), and "the full" suite is the suite.
HARMLESS = re.compile(
    r"\b(?:(?:there (?:are|is|must be|should be) |with |has |have )?(?:no|zero|0|without(?: any)?)(?: new)? (?:failures?|errors?|regressions?)(?:,? (?:or|and|nor) (?:failures?|errors?|regressions?))*"
    r"|(?:report|list|show|name|tell)(?: me)?(?: all| any| the| which| what)* (?:failures|failing tests|tests fail|errors)"
    r"|exit(?:s|ing)?(?: with)?(?: code| status)* (?:0|zero)|make sure"
    r"|(?<=the )(?:full|whole|entire|complete)(?= (?:[\w-]+ )?(?:tests?|testsuite|suite|build)\b))\b"
)
# The word, not the program: "Make the project compile".
MAKES = re.compile(
    r"(?:^|[.!?;:,]|\n|\b(?:and|or|then|to|please|must|should|we|you)\s)\s*make\b(?! sure)"
    r"|\bmake (?:a|an|the|it|all|any|some|this|that|our|your|its|new|every|each)\b"
)
# A whole sentence that promises to change nothing.
NOTHING_ELSE = re.compile(
    r"(?:please )?(?:do not|don't|never) (?:change|modify|edit|fix|touch|write|commit)(?:(?: or|,| and) (?:change|modify|edit|fix|touch|write|commit))*"
    r"(?: any| the| of| source| code| file| files| anything| here| else)*\s*[.!;]?"
)
