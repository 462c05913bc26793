"""Secrets of the environment are in nothing that a run leaves: each artefact of a whole run is searched for canaries."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.projects import Project, checkpoint, task
from tests.conftest import REPOSITORY

SETTINGS = """
[workspace]
env_pass = ["PATH", "HOME", "LANG", "PASSED_TOKEN", "ESCAPED_SECRET"]
env_files = [".env"]
[sandbox]
mode = "none"
[workers.mule]
argv = ["{agent}"]
env_pass = ["PASSED_TOKEN", "MULE_TOKEN"]
format = "ndjson"
paths.text = "text"
paths.error = "error"
end = {{ type = "result" }}
success = {{ ok = true }}
"""
SHELL = r"""
printf %s 'PLANNED' | sha256sum > digest.txt
echo "out $PASSED_TOKEN"
echo "err $FILE_PASSWORD" >&2
text="$PASSED_TOKEN"
for i in $(seq 0 $((${#text} - 1))); do printf %s "${text:$i:1}"; sleep 0.001; done; echo
printf 'user:%s' "$PASSED_TOKEN" | base64 -w0; echo
python3 -c 'import json, os; print(json.dumps({"said": os.environ["ESCAPED_SECRET"]}))'
"""
AGENT = r"""#!/usr/bin/env python3
import json, os, pathlib, subprocess, sys
prompt = sys.stdin.read() + " ".join(sys.argv)
told = pathlib.Path(OUT, "prompts")
with told.open("a") as file:
    file.write(prompt + "\n====\n")
env = os.environ
def say(**words):
    print(json.dumps(words), flush=True)
say(type="talk", text="my key is " + env["MULE_TOKEN"] + " and " + env["ESCAPED_SECRET"])
if "gives up" in prompt:
    address = "https://me:" + env["FILE_PASSWORD"] + "@host.example/x"
    say(type="result", ok=False, error="cannot open " + address + " with " + env["PASSED_TOKEN"])
    sys.exit(1)
place, tried = pathlib.Path("config.py"), pathlib.Path(OUT, "tried")
if tried.exists():
    place.write_text("import os\nKEY = os.environ['PASSED_TOKEN']\n")
    pathlib.Path("blob.bin").write_bytes(b"\0\1")
else:
    place.write_text("KEY = %r\n" % env["PASSED_TOKEN"])
    pathlib.Path("guarded.txt").write_text("once " + env["PASSED_TOKEN"])
    pathlib.Path("blob.bin").write_bytes(b"\0\1" + env["FILE_PASSWORD"].encode() + b"\xff")
    if pathlib.Path(".git").exists():
        who = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        subprocess.run(["git", "add", "-A"], check=True)
        subprocess.run(["git", *who, "commit", "-qm", "key " + env["PASSED_TOKEN"]], check=True)
tried.touch()
say(type="result", ok=True, text="wrote " + env["PASSED_TOKEN"])
"""


class Bird:
    """A project whose every door has a canary before it, and all that its runs said."""

    def __init__(self, project: Project, *, isolated: bool) -> None:
        self.project, self.root, self.isolated = project, project.root, isolated
        self.out = project.root.parent / "out"
        self.out.mkdir()
        names = ("PASSED_TOKEN", "HELD_SECRET", "FILE_PASSWORD", "PLANNED_API_KEY", "MULE_TOKEN")
        self.canaries = {name: f"cnry-{secrets.token_hex(150)}" for name in names}
        self.canaries["ESCAPED_SECRET"] = f'cn"ry\\{secrets.token_hex(150)}/é&?'
        self.said: list[str] = []
        seen = {name: value for name, value in self.canaries.items() if name != "FILE_PASSWORD"}
        own = {"GIT_CONFIG_NOSYSTEM": "1", "PYTHONPATH": str(REPOSITORY)}
        project.environment |= {**seen, **own}
        agent = self.out / "agent"
        agent.write_text(AGENT.replace("OUT", repr(str(self.out))))
        agent.chmod(0o755)
        (self.root / ".orchestrator/config.toml").write_text(SETTINGS.format(agent=agent))
        (self.root / ".env").write_text(f"FILE_PASSWORD={self.canaries['FILE_PASSWORD']}\n")
        (self.root / ".gitignore").write_text(".env\n")
        (self.root / "guarded.txt").write_text("of the check\n")
        self._plan()
        if isolated:
            self.git("init", "-q", "-b", "main")
            self.git("add", "-A")
            self.git("commit", "-qm", "begin")

    def _plan(self) -> None:
        planned = self.canaries["PLANNED_API_KEY"]
        mule = 'type="auto" worker="mule" context-mode="fresh"'
        check = f"echo {planned} $PASSED_TOKEN; printf %s {planned} | sha256sum -c digest.txt"
        listed = "<files>config.py, blob.bin</files>"
        tasks = (
            task(f"Task 1: use {planned}", SHELL.replace("PLANNED", planned), check),
            f"<task {mule}><name>Task 2: configure</name>{listed}<action>Write config.py for {planned}.</action>"
            "<verify><automated>cat config.py guarded.txt</automated></verify><done>d</done></task>\n",
            checkpoint("human-verify", "Task 3: look", "<what-built>It.</what-built>"
                       "<resume-signal>approved</resume-signal>"),
            f"<task {mule}><name>Task 4: fails</name><action>It gives up.</action>"
            "<verify><automated>true</automated></verify><done>d</done></task>\n",
        )  # fmt: skip
        path = self.project.write(*tasks)
        if self.isolated:
            path.write_text(path.read_text().replace("workspace: directory\n", ""))
        self.plan = path.read_bytes()

    def git(self, *words: str, stdin: bytes = b"") -> bytes:
        who = ("-c", "user.name=me", "-c", "user.email=me@localhost")
        return subprocess.run(
            ["git", *who, *words],
            cwd=self.root,
            env=self.project.environment,
            input=stdin,
            capture_output=True,
            check=True,
        ).stdout

    def call(self, *words: str) -> int:
        done = self.project.call(*words)
        self.said.append(f"$ {words[0]}\n{done.stdout}{done.stderr}")
        return done.returncode

    # --- where a canary could be ------------------------------------------------------------------

    def found_in(self, data: bytes, names: Iterator[str] | None = None) -> list[str]:
        """Which canaries are in it, in whatever form, whole or cut: they are longer than anything that is shown of a text."""
        return [
            name
            for name in names or self.canaries
            if any(part in data for form in _forms(self.canaries[name]) for part in _ends(form))
        ]

    def files(self) -> Iterator[Path]:
        for top in (self.root / ".orchestrator", Path(self.project.environment["HOME"])):
            yield from (one for one in top.rglob("*") if one.is_file())

    def git_objects(self) -> Iterator[tuple[bytes, bytes]]:
        """All that any ref or reflog reaches, but the plan as its person committed it."""
        names = [
            row.split()[0]
            for row in self.git("rev-list", "--all", "--reflog", "--objects").splitlines()
        ]
        plan = self.git("hash-object", "--stdin", stdin=self.plan).strip()
        for name in names:
            if name != plan:
                kind = self.git("cat-file", "-t", name.decode()).decode().strip()
                yield name, self.git("cat-file", kind, name.decode())

    def journal_without_plans(self, folder: Path) -> bytes:
        copy = folder / "copy.db"
        with sqlite3.connect(self.root / ".orchestrator/journal.db") as book:
            stored = [row[0] for row in book.execute("SELECT bytes FROM plans")]
            assert stored == [self.plan]  # exact: a resume needs it
            book.execute("VACUUM INTO ?", (str(copy),))
        book.close()
        with sqlite3.connect(copy) as book:
            book.execute("UPDATE plans SET bytes = x''")
            book.commit()
            book.execute("VACUUM")
        book.close()
        return copy.read_bytes()


def _forms(value: str) -> set[bytes]:
    """Written here once more, so that a form that the engine forgets is missed here by nobody."""
    plain = value.encode()
    forms = {plain, json.dumps(value)[1:-1].encode(), quote(value, safe="").encode()}
    forms.add(json.dumps(value, ensure_ascii=False)[1:-1].encode())
    for n in range(3):
        forms.add(base64.b64encode(b"user:"[:n] + plain)[4:-4])
    return forms


def _ends(form: bytes) -> tuple[bytes, bytes]:
    """Enough of it to be nothing else."""
    return form[:24], form[-24:]


@pytest.fixture(params=[True, False], ids=["worktree", "directory"])
def bird(request: pytest.FixtureRequest, tmp_path: Path) -> Bird:
    return Bird(Project(tmp_path), isolated=request.param)


@pytest.mark.timeout(300)
def test_no_secret_is_in_anything_that_a_run_leaves(bird: Bird, tmp_path: Path):
    assert bird.call("run", "demo-PLAN.md") == 5
    note = f"seen {bird.canaries['HELD_SECRET']} {bird.canaries['FILE_PASSWORD']}"
    with sqlite3.connect(bird.root / ".orchestrator/journal.db") as book:
        (run,) = book.execute("SELECT id FROM runs").fetchone()
    book.close()
    assert bird.call("approve", run, "3", "--note", note) == 0
    letters = b"".join(one.read_bytes() for one in bird.root.glob(".orchestrator/inbox/*"))
    assert b"[redacted: HELD_SECRET] [redacted: FILE_PASSWORD]" in letters
    assert bird.call("resume") == 1
    _look_at_all(bird, run)

    held = [str(one) for one in bird.files() if _outside_plans(bird, one)]
    assert held == []
    assert bird.found_in(bird.journal_without_plans(tmp_path)) == []
    assert [told for told in bird.said if bird.found_in(told.encode())] == []
    summary = (bird.root / "demo-SUMMARY.md") if not bird.isolated else None
    if summary is not None:
        assert bird.found_in(summary.read_bytes()) == []
    if bird.isolated:
        leaked = [name for name, data in bird.git_objects() if bird.found_in(data)]
        assert leaked == []
        assert bird.found_in(bird.git("for-each-ref")) == []
    _see_that_it_worked(bird, run)
    _see_modes(bird)


def _outside_plans(bird: Bird, file: Path) -> list[str]:
    """The journal has the plan as it is; what else is in it is looked at in a copy."""
    names = dict.fromkeys(bird.canaries)
    if file.name.startswith("journal.db"):
        names.pop("PLANNED_API_KEY")
    return bird.found_in(file.read_bytes(), iter(names))


def _look_at_all(bird: Bird, run: str) -> None:
    for words in (["show", run], ["show", run, "--json"], ["runs"], ["lint", "demo-PLAN.md"]):
        bird.call(*words)
    for number in "1234":
        bird.call("explain", run, number)
        bird.call("explain", run, number, "--json")
        bird.call("logs", run, number)
        bird.call("logs", run, number, "--checks")
    assert bird.call("show", bird.canaries["HELD_SECRET"]) == 64
    assert bird.call("show", "--json", bird.canaries["HELD_SECRET"]) == 64
    assert bird.call("explain", run, bird.canaries["PASSED_TOKEN"]) == 64


def _see_that_it_worked(bird: Bird, run: str) -> None:
    """Or it would be no wonder that nothing is found."""
    told = "".join(bird.said)
    for name in ("PASSED_TOKEN", "ESCAPED_SECRET", "MULE_TOKEN", "FILE_PASSWORD", "HELD_SECRET"):
        assert f"[redacted: {name}]" in told, name
    assert "[redacted: PLANNED_API_KEY]" in (bird.out / "prompts").read_text()
    assert bird.found_in((bird.out / "prompts").read_bytes()) == []
    aside = [
        one.read_text() for one in bird.root.glob(".orchestrator/runs/*/*.changed/guarded.txt")
    ]
    assert aside == ["once [redacted: PASSED_TOKEN]"]
    assert (bird.root / "guarded.txt").read_text() == "of the check\n"
    log = next(bird.root.glob(f".orchestrator/runs/{run}/*1.1.log")).read_text()
    assert "out [redacted: PASSED_TOKEN]" in log
    assert '{"said": "[redacted: ESCAPED_SECRET]"}' in log
    assert log.count("[redacted: PASSED_TOKEN]") == 3  # at once, letter by letter, in base64
    if bird.isolated:
        prompts = (bird.out / "prompts").read_text()
        assert "config.py (the value of PASSED_TOKEN)" in prompts
        assert "blob.bin (the value of FILE_PASSWORD)" in prompts
        tip = (
            bird.git("for-each-ref", "--format=%(refname)", "refs/heads/orchestrator")
            .decode()
            .strip()
        )
        assert b"os.environ" in bird.git("show", f"{tip}:config.py")
        rescued = (
            bird.git("for-each-ref", "--format=%(refname)", "refs/orchestrator/").decode().split()
        )
        assert any(
            b"[redacted: PASSED_TOKEN]" in bird.git("grep", "-h", "KEY", ref, "--", "config.py")
            for ref in rescued
            if b"config.py" in bird.git("ls-tree", "--name-only", ref)
        )
    else:
        assert "config.py has the value of PASSED_TOKEN" in told


def _see_modes(bird: Bird) -> None:
    """What has words of programs in it is for its owner alone, by its own mode or by that of its folder."""
    home, own = bird.root / ".orchestrator", (".gitignore", "config.toml")
    open_ = [
        str(one)
        for one in home.rglob("*")
        if one.is_file() and one.name not in own and _is_open(one, home)
    ]
    assert open_ == []
    logs = [*home.rglob("*.log"), *home.glob("journal.*")]
    assert len(logs) > 5
    assert [str(one) for one in logs if os.stat(one).st_mode & 0o077] == []


def _is_open(file: Path, home: Path) -> bool:
    above = [one for one in file.parents if one.is_relative_to(home)]
    return all(os.stat(one).st_mode & 0o077 for one in (file, *above[:-1]))
