"""Kinds of work told by a task's title and files, each with the tier that it starts on. Pure; a word inside another is no match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from orchestrator.model import Task, Tier

TEXT = re.compile(r"\.(?:md|mdx|rst|adoc)\Z|(?:^|/)(?:LICENSE|CHANGELOG)\b", re.I)


class Work(NamedTuple):
    """A title and the files of a task, in few words."""

    title: str
    files: tuple[str, ...] = ()


class Pattern(NamedTuple):
    """`floor`: nothing but the plan's own word may start such a task on less."""

    name: str
    tier: Tier
    wanted: re.Pattern[str]
    yes: tuple[Work, ...]
    no: tuple[Work, ...]
    unless: re.Pattern[str] | None = None
    files: tuple[int, int] | None = None  # so many at least and at most
    floor: bool = False

    def matches(self, work: Work) -> bool:
        low, high = self.files or (0, len(work.files))
        if not low <= len(work.files) <= high or not self.wanted.search(work.title):
            return False
        if self.floor and work.files and all(map(TEXT.search, work.files)):
            return False  # words about it, not the thing itself
        return self.unless is None or not self.unless.search(work.title)


def work(task: Task) -> Work:
    return Work(task.title, task.files or ())


def matching(task: Task) -> Iterator[Pattern]:
    """The strongest first."""
    order = list(Tier)
    found = [one for one in PATTERNS if one.matches(work(task))]
    yield from sorted(found, key=lambda one: (-order.index(one.tier), not one.floor))


def floor(task: Task) -> Pattern | None:
    """What forbids to start this task on less, if anything does."""
    return next((one for one in matching(task) if one.floor), None)


# --- the table ------------------------------------------------------------------------------------


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(patterns)})(?![\w-])", re.I)


def _first(pattern: str) -> re.Pattern[str]:
    """The word that a title begins with: what is done, not what it is done to."""
    return re.compile(rf"\A{pattern}(?![\w-])", re.I)


def _titles(*titles: str) -> tuple[Work, ...]:
    return tuple(map(Work, titles))


_HARD = _words(
    r"architect\w*", r"redesign\w*", r"business (?:logic|rules?)", r"state management",
    r"migrat(?:e|es|ing|ions?)", r"across", r"concurren\w+", r"refactor\w*", r"algorithms?",
)  # fmt: skip
# Said of looks, of words, of tests and of what is not ours: not the thing itself.
_NO_SECRET = _words(
    r"typos?", r"docs?", r"documentation", r"readme", r"comments?", r"stub(?:s|bed)?", r"mock(?:s|ed)?",
    r"icons?", r"styl(?:e|es|ing)", r"copy", r"labels?", r"screenshots?", r"links?", r"tests?", r"specs?",
)  # fmt: skip

SECURITY = (
    Pattern(
        "security: authentication",
        Tier.OPUS,
        _words(
            r"auth", r"authn", r"authz", r"authenticat\w+", r"authori[sz](?:e|es|ed|ing|ation)", r"oauth2?",
            r"oidc", r"saml", r"sso", r"jwts?", r"log-?ins?", r"sign-?ins?", r"passwords?", r"passkeys?",
            r"webauthn", r"2fa", r"mfa", r"rbac", r"csrf", r"sessions? (?:tokens?|cookies?)", r"permissions?",
            r"access control",
        ),
        _titles("Add JWT authentication to the API", "Build the login endpoint", "Fix password reset", "Enforce RBAC on projects"),
        _titles("Show the author of a post", "Authoring tools for the blog", "Fix a typo in the auth docs", "Style the login button"),
        unless=_NO_SECRET,
        floor=True,
    ),
    Pattern(
        "security: payments",
        Tier.OPUS,
        _words(r"payments?", r"billing", r"checkout (?:flow|sessions?|page)", r"invoic(?:e|es|ing)", r"refunds?",
               r"stripe", r"paypal", r"braintree", r"credit cards?", r"payouts?", r"subscription (?:charges?|billing)"),
        _titles("Integrate Stripe payments", "Handle refunds", "Charge the credit card on renewal"),
        _titles("Striped rows in the table", "git checkout of the branch", "Update the docs of billing", "Pay attention to null"),
        unless=_NO_SECRET,
        floor=True,
    ),
    Pattern(
        "security: cryptography",
        Tier.OPUS,
        _words(r"crypto", r"cryptograph\w+", r"(?:en|de)crypt(?:s|ed|ing|ion)?", r"(?:private|signing|public) keys?", r"key rotation",
               r"hmac", r"tls", r"mtls", r"certificates?", r"password hash(?:es|ing)?", r"bcrypt", r"argon2(?:id)?",
               r"verify (?:the )?(?:webhook )?signatures?"),
        _titles("Encrypt tokens at rest", "Rotate the signing keys", "Verify webhook signatures"),
        _titles("Show crypto-free prices", "Sort by primary key", "Write tests for the encryption stub"),
        unless=_NO_SECRET,
        floor=True,
    ),
    Pattern(
        "security: secrets",
        Tier.OPUS,
        _words(r"secrets? (?:management|manager|store|storage|handling|rotation|vault)", r"(?:api|access) keys?", r"credentials?",
               r"vault", r"security (?:fix|fixes|patch|patches|hole|holes|audit|review|hardening|headers?)",
               r"vulnerabilit(?:y|ies)", r"sanitiz(?:e|es|ing|ation)", r"(?:sql|command|html) injections?", r"xss",
               r"sandbox(?:es|ed|ing)?"),
        _titles("Store credentials in the vault", "Fix the XSS in comments rendering", "Rotate API keys", "Security hardening of uploads"),
        _titles("Vaulted ceilings in the 3D model", "A secret level for the game", "Add a key to the map", "Update docs on credentials"),
        unless=_words(r"typos?", r"docs?", r"documentation", r"readme", r"mock(?:s|ed)?", r"tests?", r"specs?"),
        floor=True,
    ),
)  # fmt: skip

PATTERNS = (
    *SECURITY,
    Pattern(
        "architecture",
        Tier.OPUS,
        _words(r"architect(?:s|ure|ural|ing)?", r"system design", r"redesign(?:s|ing)? (?:the )?\w+ (?:layer|system|engine|model)",
               r"(?:design|plan) (?:the |a |an )?(?:data model|database schema|plugin system|api contract|service boundar(?:y|ies))"),
        _titles("Decide the architecture of the sync engine", "Design the data model", "Redesign the storage layer"),
        _titles("Read ARCHITECTURE-NOTES", "Use the design tokens", "Update the architecture docs"),
        unless=_words(r"docs?", r"documentation", r"readme", r"diagrams?", r"[\w-]+\.md"),
    ),
    Pattern(
        "cross-system refactoring",
        Tier.OPUS,
        _words(r"(?:refactor|migrat|mov|split|extract)\w* .*(?:across|between) .*(?:services?|packages?|systems?|repos(?:itories)?|apps?)",
               r"(?:split|break) (?:up )?(?:the )?monolith", r"cross-(?:system|service) refactor\w*"),
        _titles("Refactor error handling across all services", "Split the monolith", "Move types between packages"),
        _titles("Refactor the parser", "Move the button across the page", "Split the string"),
    ),
    Pattern(
        "business logic",
        Tier.SONNET,
        _words(r"business (?:logic|rules?)", r"domain (?:logic|rules?)", r"(?:pricing|discount|eligibility|approval) (?:logic|rules?|engine|workflow)"),
        _titles("Implement the business logic of orders", "Add discount rules"),
        _titles("Show business hours", "Logic gates in the icon set"),
    ),
    Pattern(
        "complex state",
        Tier.SONNET,
        _words(r"state (?:management|machines?)", r"(?:redux|zustand|pinia|vuex|mobx) (?:store|slice)s?", r"optimistic updates?",
               r"race conditions?", r"offline sync", r"concurren(?:cy|t)"),
        _titles("Add state management for the cart", "Fix a race condition in the queue", "Build the Redux store"),
        _titles("Show the state of Texas", "Store the file", "Print the current state"),
    ),
    Pattern(
        "coordination of several files",
        Tier.SONNET,
        _words(r"across (?:all |several |multiple |many )?(?:files|modules|components|pages|layers)", r"multi-?file", r"end[- ]to[- ]end wiring",
               r"wire (?:up )?.* (?:to|into|with)", r"integrat(?:e|es|ing) .* (?:with|into)"),
        _titles("Use one logger across all modules", "Wire the form to the API", "Integrate the parser with the CLI"),
        _titles("Wireframe of the page", "Come across a bug", "An integral image"),
    ),
    Pattern(
        "rename",
        Tier.HAIKU,
        _first(r"renam(?:e|es|ed|ing)"),
        _titles("Rename function getUser to fetchUser", "Renaming the module"),
        _titles("Prename the table", "Let users change their name", "Rename and redesign the architecture", "Wire the queue and rename it"),
        unless=_HARD,
    ),
    Pattern(
        "words and comments",
        Tier.HAIKU,
        _words(r"typos?", r"(?:fix|update|add|write|improve)(?:s|es|d|ing)? (?:the |a |some )?(?:[\w-]+ )?(?:docs?|documentation|readme|comments?|docstrings?|changelog)",
               r"copyright (?:year|header)s?"),
        _titles("Fix a typo in the header", "Update the README", "Add docstrings"),
        _titles("Typography of headings", "Build a comments system", "Document store for the cache"),
        unless=_HARD,
    ),
    Pattern(
        "formatting",
        Tier.HAIKU,
        _words(r"(?:fix|run|apply)(?:es|ing)? (?:the )?(?:lint(?:er|ing)?|formatt(?:er|ing)|prettier|eslint|ruff|black|gofmt)(?: \w+)?",
               r"sort (?:the )?imports", r"remove unused \w+"),
        _titles("Fix lint errors", "Run prettier", "Remove unused imports"),
        _titles("Write a linter", "Sort the orders by date", "Format dates in the report", "Fix linters' plugin loading and its algorithm"),
        unless=_HARD,
    ),
    Pattern(
        "version bump",
        Tier.HAIKU,
        _words(r"bump(?:s|ing)? .*(?:version|dependenc(?:y|ies)|to v?\d[\w.]*)", r"bump \w+"),
        _titles("Bump the version", "Bump lodash to 4.17.21"),
        _titles("Speed bumps in the game", "Add a bumper"),
        unless=_HARD,
    ),
    Pattern(
        "CRUD endpoint",
        Tier.HAIKU,
        _words(r"crud(?: \w+)?", r"(?:add|create|build|implement|update)(?:s|d|ing)? (?:a |an |the )?(?:[\w/:-]+ ){0,3}endpoints?",
               r"(?:get|post|put|patch|delete) /[\w/:{}-]*"),
        _titles("Create the CRUD endpoint for users", "Update NBA proxy /games/:date endpoint", "Add GET /users"),
        _titles("Scrub the crude data", "Get the list", "Redesign the endpoints across services", "Secure every endpoint"),
        unless=_HARD,
    ),
    Pattern(
        "UI component",
        Tier.HAIKU,
        _words(r"(?:add|create|build|implement|style)(?:s|d|ing)? (?:a |an |the )?(?:[\w-]+ ){0,2}(?:button|badge|card|modal|dialog|tooltip|spinner|avatar|dropdown|navbar|footer|header|sidebar|banner|ui component|component)s?"),
        _titles("Add a badge", "Build the UserCard component", "Create the settings modal"),
        _titles("Cardinality of the relation", "Add buttonhole stitching", "Build component architecture"),
        unless=_HARD,
    ),
    Pattern(
        "route page",
        Tier.HAIKU,
        _words(r"(?:add|create|build)(?:s|d|ing)? (?:a |an |the )?(?:[\w/-]+ ){0,2}(?:pages?|route pages?|landing page|404)"),
        _titles("Create the about page", "Add a route page", "Add the /settings page"),
        _titles("Paginate the results", "Add pager duty", "Create the pages of the new architecture"),
        unless=_HARD,
    ),
    Pattern(
        "edit of one file",
        Tier.HAIKU,
        _first(r"(?:edit|update|change|adjust|tweak|set|correct|remove|delete)(?:s|d|ing)?"),
        (Work("Adjust the timeout", ("src/http.py",)), Work("Update the default port", ("config.toml",))),
        (Work("Adjust the timeout", ("a.py", "b.py")), Work("Settle the score", ("a.py",)), Work("Close the set at once", ("a.py",)), Work("Update the matching algorithm", ("a.py",))),
        unless=_HARD,
        files=(1, 1),
    ),
)  # fmt: skip
