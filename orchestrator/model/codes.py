"""Every rule that can be said about a plan, by its code; it refuses a code that is not in this table."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from orchestrator.model.plan import Diagnostic, Position, Severity

E, W = Severity.ERROR, Severity.WARNING

CODES: Final = MappingProxyType(
    {
        # structure
        "S101": (W, "the file is not UTF-8; read as Windows-1252"),
        "S102": (E, "the file is larger than the limit"),
        "S103": (E, "a document type or entity declaration"),
        "S104": (E, "a character that XML cannot hold"),
        "S105": (E, "a task is not closed"),
        "S106": (E, "an element is not closed"),
        "S107": (E, "a task has the same core element twice"),
        "S108": (E, "a task stands inside an open element"),
        "S109": (W, "text of a task that is in none of its elements"),
        "S110": (W, "an unknown attribute or element of a task"),
        "S111": (E, "an open tag that cannot be read"),
        "S112": (E, "a task outside <tasks>"),
        "S113": (E, "a closing tag without its opener"),
        "S114": (E, "more tasks than the limit"),
        "S115": (E, "not well-formed for a reason that only lxml saw"),
        "S116": (W, "tasks without a <tasks> wrapper"),
        "S117": (W, "a closing tag that also stands inside the element's own text"),
        "S118": (W, "a task inside a comment, which is not run"),
        "S119": (W, "a section is not closed; read as text"),
        "S120": (W, "a task in a fence inside an element, read as an example"),
        "S121": (E, "more problems than are shown"),
        "S122": (E, "more elements than any plan has"),
        "S123": (W, "a <task> that is mentioned in text"),
        "S124": (E, "a tag that was meant as <task>"),
        "S125": (W, "an element between tasks, which is not run"),
        "S126": (E, "a core element with a misspelt name"),
        # frontmatter
        "F201": (E, "the frontmatter is not closed"),
        "F202": (W, "the frontmatter is not valid YAML; read line by line"),
        "F203": (E, "the frontmatter is nested too deep or refers to itself too often"),
        "F204": (W, "the frontmatter is not a mapping"),
        "F205": (W, "a key of the frontmatter stands twice"),
        "F206": (W, "wave is not a whole number"),
        "F207": (E, "workspace is neither directory nor worktree"),
        "F208": (W, "a key that upstream's validator asks for is missing"),
        "F209": (W, "a budget that cannot be read"),
        "F210": (W, "a priority that cannot be read"),
        "F211": (E, "a not-before that cannot be read"),
        # task values
        "T301": (W, "an automatic task without a name"),
        "T302": (E, "an automatic task without an action"),
        "T303": (E, "estimated-complexity is not 1 to 10"),
        "T304": (E, "an unknown model tier"),
        "T305": (E, "an unknown gate"),
        "T306": (E, "a timeout that cannot be read"),
        "T307": (E, "parallel is neither sequential nor can-parallelize"),
        "T308": (E, "context-mode is neither fresh nor inherited"),
        "T309": (E, "a yes/no attribute with another value"),
        "T310": (W, "an estimate in <metrics> that cannot be read"),
        "T311": (W, "an option without an id"),
        "T312": (W, "an unknown type; treated as auto"),
        "T313": (W, "an unknown kind of checkpoint"),
        "T314": (W, "an unknown subagent"),
        "T315": (W, "an entry of <files> that was split at spaces"),
        "T316": (E, "an unknown type that may mean a checkpoint"),
        "T317": (W, "an automatic task whose action has another name"),
        # kinds of file that are not run
        "K401": (W, "a Markdown plan: its 'Task N' headings are the tasks"),
        "K403": (E, "a plan of GSD-2"),
        "K404": (E, "a file without tasks"),
        "K405": (W, "a <task> with a Markdown body and no elements"),
        # who waits for whom
        "G501": (E, "depends-on names no task"),
        "G502": (E, "a task depends on itself"),
        "G503": (E, "an id= that another task has"),
        "G504": (W, "a number in depends-on that is one task's label and another's place"),
        "G507": (W, "depends-on names a later task"),
        "G508": (W, "depends-on names a task twice"),
        "G505": (E, "tasks wait for each other"),
        "G506": (
            E,
            "depends-on names a task of a plan that is not finished and not part of the run",
        ),
        "G511": (W, "depends_on names no plan"),
        "G512": (E, "a plan depends on itself"),
        "G513": (E, "depends_on names a plan that is not finished and not part of the run"),
        "G514": (W, "a wave that contradicts depends_on"),
        "G515": (W, "a wave later than depends_on asks for"),
        # paths
        "P601": (E, "an absolute path in <files>"),
        "P602": (E, "a path in <files> that leaves the project by '..'"),
        "P603": (E, "a path in <files> that leaves the project by a link"),
        "P604": (E, "a worktree where there is no git repository"),
        "P605": (W, "a path in files_modified that is absolute or leaves the project"),
        # what tasks write
        "W801": (W, "two tasks that could run at once write the same file"),
        "W802": (W, "a file of a task is missing in files_modified"),
        "W803": (W, "an automatic task without <files>"),
        # how tasks are checked
        "V901": (W, "an automatic task without a check"),
        "V902": (W, "a check that is prose"),
        "V903": (W, "a check that cannot fail"),
        "V904": (W, "a check that leaves the project"),
        "V905": (W, "a check that names a path of one machine"),
        "V906": (W, "a word where the check should be"),
        "V907": (W, "an automatic task without acceptance"),
        "V908": (W, "a check that does not end by itself"),
        # what people are asked
        "C001": (W, "a plan called autonomous that asks people"),
        "C002": (W, "a plan not called autonomous that asks nobody"),
        "C003": (W, "a checkpoint that asks nothing"),
        "C004": (W, "a decision without options"),
        "C005": (W, "a one-way step without a decision before it"),
        "C006": (W, "a gate on a task that asks nobody"),
        # who does it
        "M001": (E, "a worker that the settings do not know"),
        "M002": (E, "a model tier that the settings map to nothing"),
        "M003": (W, "an exploring task on a strong model"),
        "M004": (W, "a label model: or complexity: with a word that means nothing"),
        "M005": (W, "labels and attributes that contradict each other"),
        "M006": (W, "a model below the floor of its task"),
        # names of files
        "N001": (W, "a plan whose name is not that of a plan"),
        "N002": (W, "a file name that disagrees with the frontmatter"),
        "N003": (W, "an <output> that names another SUMMARY"),
        # secrets
        "X001": (E, "a secret in the plan"),
    }
)


def severity(code: str) -> Severity:
    return CODES[code][0]


def diagnostic(code: str, file: str, place: Position, message: str) -> Diagnostic:
    """The severity is that of the code."""
    return Diagnostic(
        file=file,
        line=place.line,
        column=place.column,
        code=code,
        severity=severity(code),
        message=message,
    )
