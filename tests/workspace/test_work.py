"""What an attempt has made is what differs since it began: for any three trees, path by path."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from orchestrator.workspace import Repository
from tests.workspace.repos import begin, git, repository

Entry = tuple[str, str]  # mode, and what is in it
Tree = dict[str, Entry]

NAMES = ("a", "b", "a/x", "a/y", "a/x/deep", "d/ü z", "-q", "n\nl", "\udcff")
ENTRIES = st.sampled_from(
    [("100644", "1"), ("100644", "2"), ("100755", "1"), ("120000", "a"), ("120000", "nowhere")]
)


def is_below(path: str, other: str) -> bool:
    return path.startswith(f"{other}/")


def fits(tree: Tree, path: str) -> bool:
    """No file is a folder at the same time."""
    return not any(is_below(path, one) or is_below(one, path) for one in tree)


@st.composite
def any_tree(draw: st.DrawFn) -> Tree:
    tree: Tree = {}
    for path in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6)):
        if fits(tree, path):
            tree[path] = draw(ENTRIES)
    return tree


@st.composite
def any_change(draw: st.DrawFn, tree: Tree) -> Tree:
    """Most of it is as before: that is what the rule is about."""
    changed = {path: one for path, one in tree.items() if draw(st.integers(0, 3))}
    for path, entry in draw(any_tree()).items():
        if path in changed or fits(changed, path):
            changed[path] = entry
    return changed


@st.composite
def any_three(draw: st.DrawFn) -> tuple[Tree, Tree, Tree]:
    base = draw(any_tree())
    begin = draw(any_change(base))
    return base, begin, draw(any_change(begin))


class Writer:
    """Trees as git has them; a blob is written once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs: dict[str, str] = {}

    def write(self, tree: Tree) -> str:
        index = self.root / ".git/test.index"
        index.unlink(missing_ok=True)
        env = {"GIT_INDEX_FILE": str(index)}
        rows = [f"{mode} {self._blob(text)}\t{path}" for path, (mode, text) in tree.items()]
        stdin = "".join(f"{row}\0" for row in rows).encode("utf-8", "surrogateescape")
        git(self.root, "update-index", "-z", "--index-info", stdin=stdin, env=env)
        return git(self.root, "write-tree", env=env)

    def _blob(self, text: str) -> str:
        if text not in self._blobs:
            stdin = text.encode()
            self._blobs[text] = git(self.root, "hash-object", "-w", "--stdin", stdin=stdin)
        return self._blobs[text]

    def read(self, tree: str) -> Tree:
        rows = git(self.root, "ls-tree", "-r", "-z", tree).split("\0")
        texts = {name: text for text, name in self._blobs.items()}
        found = (row.partition("\t") for row in rows if row)
        return {path: (head.split()[0], texts[head.split()[2]]) for head, _, path in found}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One repository for all examples: made in the first, when `own_git` is there."""
    return tmp_path_factory.mktemp("work")


def wanted(base: Tree, begin: Tree, now: Tree) -> Tree:
    """What the work changed is as it is now. The rest is as in the base, where the work leaves it room."""
    paths = {*base, *begin, *now}
    touched = {path for path in paths if begin.get(path) != now.get(path)}
    kept = {path: now[path] for path in touched if path in now}
    room = {path: base[path] for path in paths - touched if path in base and fits(kept, path)}
    return {**kept, **room}


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(three=any_three())
@example(three=({}, {"a": ("100644", "1")}, {"a": ("100644", "1")}))
@example(three=({"a": ("100644", "1")}, {}, {}))
@example(three=({"a": ("100644", "1")}, {"a/x": ("100644", "1")}, {"a/x": ("100644", "1")}))
@example(  # the check left a folder where a file was, and the work is in it
    three=(
        {"a": ("100644", "1")},
        {"a/x": ("100644", "1")},
        {"a/x": ("100644", "1"), "a/y": ("100644", "2")},
    )
)
@example(  # and the other way round
    three=({"a/x": ("100644", "1")}, {}, {"a": ("100644", "2")})
)
def test_it_is_what_is_now_without_what_was_there_and_left_alone(
    scratch: Path, three: tuple[Tree, Tree, Tree]
):
    if not (scratch / ".git").exists():
        begin(scratch)
    base, before, now = three
    writer = Writer(scratch)
    expected = wanted(base, before, now)
    trees = [writer.write(one) for one in three]
    made = anyio.run(look, scratch, *trees)
    assert writer.read(made) == expected
    event("something was left alone" if expected != now else "all of it is work")


async def look(root: Path, base: str, begin: str, now: str) -> str:
    ours: Repository = await repository(root)
    return await ours.work(base, begin, now, root / ".git/work.index")
