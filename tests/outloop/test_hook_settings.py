"""Our hooks in .claude/settings.json: there once, gone without a trace, and nothing of others is touched. Real files, the real command."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import hook
from orchestrator.errors import SettingsError
from orchestrator.outloop import installing
from tests.cli.projects import Project
from tests.outloop import hooks
from tests.outloop.hooks import before

OTHERS = """{
    // "model"
}"""
MINE = """\
{
    "model": "x",   "a":[1, 2],
    "hooks": {
        "PreToolUse": [{"matcher":"Bash", "hooks":[{"type":"command","command":"mine"}]}],
        "Stop": []
    },
    "z": 1.10
}
"""
TEXTS = (
    MINE,
    MINE.replace("\n", " "),
    '{"permissions": {"allow": ["Bash(git *)"]}}',
    '{\n\t"env": {\n\t\t"A": "ü"\n\t}\n}',
    '{"hooks": {"PostToolUse": [{"hooks": []}, {"hooks": [{"type": "command", "command": "x"}]}]}}\n',
    "{\r\n  \"model\": \"x\"\r\n}\r\n",
    # What says nothing is theirs, too.
    "", " \n", "{}", "{ }\n", '{"hooks": {}}', '{"hooks": {}, "a": 1}', '{"hooks": {"PreToolUse": []}}',
    '{"a": 1, "hooks": {"Stop": [], "PostToolUse": []}, "b": 2}', '{"hooks": {"PreToolUse": [{"hooks": []}]}}',
)  # fmt: skip


def place(root: Path, text: str) -> Path:
    path = root / installing.FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def ours(path: Path) -> list[str]:
    hooks = json.loads(path.read_text())["hooks"]
    return [
        event
        for event, groups in hooks.items()
        for group in groups
        for one in group["hooks"]
        if one["command"].endswith(installing.MARK)
    ]


def test_where_nothing_is_the_file_comes_and_goes(tmp_path: Path):
    assert installing.install(tmp_path)
    path = tmp_path / installing.FILE
    assert sorted(ours(path)) == sorted(installing.EVENTS)
    assert path.read_text().startswith('{\n  "hooks": {\n    "PreToolUse": [\n')
    assert not installing.install(tmp_path)
    assert installing.remove(tmp_path)
    assert not path.exists()
    assert not installing.remove(tmp_path)


@pytest.mark.parametrize("text", TEXTS)
def test_all_other_bytes_are_as_they_were(tmp_path: Path, text: str):
    path = place(tmp_path, text)
    path.chmod(0o640)
    before = json.loads(text) if text.strip() else {}
    assert installing.install(tmp_path)
    assert sorted(ours(path)) == sorted(installing.EVENTS)
    after = json.loads(path.read_bytes())
    for event, groups in before.pop("hooks", {}).items():
        assert after["hooks"][event][: len(groups)] == groups
    assert {name: one for name, one in after.items() if name != "hooks"} == before
    installed = path.read_bytes()
    assert not installing.install(tmp_path)
    assert path.read_bytes() == installed
    assert installing.remove(tmp_path)
    assert path.read_bytes() == text.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not (tmp_path / installing.NOTED).exists()


def test_lines_end_as_those_of_the_file(tmp_path: Path):
    path = place(tmp_path, TEXTS[5])
    installing.install(tmp_path)
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n") > 30


@pytest.mark.parametrize("text", ["{}\n", '{"hooks": {}}\n', '{"model": "x"}\n', None])
def test_a_link_stays_and_what_it_leads_to_is_as_it_was(tmp_path: Path, text: str | None):
    target = tmp_path / "dotfiles.json"
    if text is not None:
        target.write_text(text)
    path = tmp_path / installing.FILE
    path.parent.mkdir()
    path.symlink_to(target)
    assert installing.install(tmp_path)
    assert sorted(ours(target)) == sorted(installing.EVENTS)
    assert installing.remove(tmp_path)
    assert path.is_symlink()
    assert (target.read_text() if target.exists() else None) == text


def test_where_nobody_noted_who_made_it_the_file_stays(tmp_path: Path):
    """As in a clone into which it came with ours."""
    path = place(tmp_path, "{}\n")
    installing.install(tmp_path)
    (tmp_path / installing.NOTED).unlink()
    assert installing.remove(tmp_path)
    assert path.read_text() == "{}\n"


@pytest.mark.parametrize(
    "noted",
    [
        "",
        "7",
        "{}",
        '{"events": 1, "text": null}',
        '{"events": [], "text": 7}',
        '{"events": [], "text": "{\\"a\\": 1}"}',
    ],
)
def test_a_note_that_is_not_ours_says_nothing(tmp_path: Path, noted: str):
    installing.install(tmp_path)
    (tmp_path / installing.NOTED).write_text(noted)
    assert installing.remove(tmp_path)
    assert (tmp_path / installing.FILE).read_text() == "{}\n"


def test_it_is_said_that_a_link_in_place_of_our_folder_takes_nothing(tmp_path: Path):
    project = Project(tmp_path)
    (project.root / hook.HOME).rename(tmp_path / "elsewhere")
    (project.root / hook.HOME).symlink_to(tmp_path / "elsewhere")
    done = project.call("init", "--hooks")
    assert done.returncode == 0
    assert ".orchestrator is a link" in " ".join(done.stderr.split())


def test_what_came_beside_ours_later_stays_and_ours_put_there_anew_forget_nothing(tmp_path: Path):
    path = tmp_path / installing.FILE
    installing.install(tmp_path, installing.command("/gone/python"))
    assert installing.install(tmp_path)  # of another Python: who made the file is known as before
    assert installing.remove(tmp_path)
    assert not path.parent.exists()
    installing.install(tmp_path)
    (path.parent / "agents").mkdir()
    assert installing.remove(tmp_path)
    assert [one.name for one in path.parent.iterdir()] == ["agents"]
    installing.install(tmp_path)
    later = {"model": "x", **json.loads(path.read_text())}
    path.write_text(json.dumps(later))
    assert installing.remove(tmp_path)
    assert json.loads(path.read_text()) == {"model": "x"}


def test_ours_are_there_once_however_often_somebody_copied_them(tmp_path: Path):
    installing.install(tmp_path)
    path = tmp_path / installing.FILE
    sound = path.read_text()
    found = json.loads(sound)
    groups = found["hooks"]["PreToolUse"]
    groups += [groups[0], {"matcher": "Bash", "hooks": groups[0]["hooks"] * 2}]
    path.write_text(json.dumps(found, indent=2) + "\n")
    assert installing.install(tmp_path)
    assert path.read_text() == sound
    assert not installing.install(tmp_path)


def test_an_older_command_of_ours_is_replaced(tmp_path: Path):
    path = place(tmp_path, MINE)
    installing.install(tmp_path, installing.command("/gone/python", "/gone/hook.py"))
    assert installing.install(tmp_path)
    assert "/gone" not in path.read_text()
    assert sorted(ours(path)) == sorted(installing.EVENTS)


def test_one_of_ours_among_others_goes_alone(tmp_path: Path):
    mixed = [{"command": "mine"}, {"command": f"x {installing.MARK}"}, {"command": "yours"}]
    path = place(tmp_path, json.dumps({"hooks": {"Stop": [{"hooks": mixed}]}}))
    assert installing.remove(tmp_path)
    kept = [{"command": "mine"}, {"command": "yours"}]
    assert json.loads(path.read_text()) == {"hooks": {"Stop": [{"hooks": kept}]}}


def test_beside_one_of_ours_no_byte_changes(tmp_path: Path):
    ours = json.dumps({"command": f"x {installing.MARK}"})
    text = '{"hooks":{"Stop" :[{"hooks":[{"command":  "\\ud83d \\u00e4"}, %s]} , {"z":  1.10}]}}'
    path = place(tmp_path, text % ours)
    assert installing.remove(tmp_path)
    assert path.read_text() == text.replace(", %s", "")


def test_half_of_a_pair_in_the_command_of_another_is_kept(tmp_path: Path):
    path = place(
        tmp_path, '{"hooks": {"PreToolUse": [{"hooks": [{"command": "\\ud83d"}]}], "x": []}}'
    )
    assert installing.install(tmp_path)
    assert installing._encoded(["\ud83d", "ü"]) == '["\\ud83d", "ü"]'
    assert json.loads(path.read_text())["hooks"]["PreToolUse"][0]["hooks"] == [
        {"command": "\ud83d"}
    ]


@pytest.mark.parametrize(
    ("mine", "shared", "local", "said"),
    [
        ("{}", "{}", "{}", ""),
        ('{"disableAllHooks": true}', "{}", "{}", "mine"),
        ('{"disableAllHooks": true}', '{"disableAllHooks": false}', "{,}", ""),
        ("{}", '{"disableAllHooks": true}', "{}", "shared"),
        ("", '{"disableAllHooks": true}', '{"disableAllHooks": false}', ""),
        ("", "", '{"disableAllHooks": true}', "local"),
    ],
)
def test_where_no_hook_runs_at_all_it_is_said_with_its_place(
    tmp_path: Path, mine: str, shared: str, local: str, said: str
):
    project = Project(tmp_path)
    home = Path(project.environment["HOME"]) / ".claude"
    home.mkdir(parents=True)
    places = {"mine": home / "settings.json", "shared": place(project.root, shared)}
    places["local"] = places["shared"].with_name("settings.local.json")
    places["mine"].write_text(mine)
    places["local"].write_text(local)
    for _ in range(2):
        done = project.call("init", "--hooks", CLAUDE_CONFIG_DIR="")
        assert done.returncode == 0
        words = " ".join(done.stderr.split())
        assert (f'{places[said]} says "disableAllHooks": true' in words) if said else not words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OTHERS, "settings.json:2:5"),
        ('{"a": 1,\n\n "a" 2}', "settings.json:3:6"),
        ("[]", "an object is expected"),
        ('{"hooks": []}', "hooks is no object"),
        ('{"hooks": {"PreToolUse": {}}}', "hooks.PreToolUse is no list"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
    ],
)
def test_a_broken_file_is_refused_by_its_line_and_stays(tmp_path: Path, text: str, said: str):
    path = place(tmp_path, text)
    for change in (installing.install, installing.remove):
        with pytest.raises(SettingsError, match=said) as refused:
            change(tmp_path)
        assert "nothing was changed" in str(refused.value)
    assert path.read_text() == text


@pytest.mark.parametrize("in_the_way", [".claude", installing.FILE])
def test_what_cannot_be_written_is_refused(tmp_path: Path, in_the_way: str):
    if in_the_way == ".claude":
        (tmp_path / in_the_way).write_text("a file")
    else:
        (tmp_path / in_the_way).mkdir(parents=True)
    with pytest.raises(
        SettingsError, match=r"cannot (read|write) .*settings.json.*nothing was changed"
    ):
        installing.install(tmp_path)


NAMES = st.sampled_from(["PreToolUse", "PostToolUse", "Stop", "x"])
WORD = st.text(st.characters(), max_size=5)  # with halves of pairs
HOOK = st.fixed_dictionaries({"type": st.just("command"), "command": WORD})
GROUP = st.fixed_dictionaries({"hooks": st.lists(HOOK, max_size=2)}) | st.integers()
VALUE = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.just(1.5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
SETTINGS = st.dictionaries(
    st.text(max_size=3).filter(lambda name: name != "hooks"), VALUE, max_size=3
)


@settings(deadline=None, max_examples=60)  # a disk that is asked to be sure has no deadline
@given(SETTINGS, st.none() | st.dictionaries(NAMES, st.lists(GROUP, max_size=3), max_size=3), st.sampled_from([None, 1, 2, "\t"]))  # fmt: skip
def test_whatever_is_there_comes_back(
    tmp_path_factory: pytest.TempPathFactory, others: dict[str, Any], hooks: Any, indent: Any
):
    root = tmp_path_factory.mktemp("p")
    whole = others if hooks is None else {**others, "hooks": hooks}
    text = json.dumps(whole, indent=indent)
    path = place(root, text)
    assert installing.install(root)
    after = json.loads(path.read_text())
    assert {name: one for name, one in after.items() if name != "hooks"} == others
    assert installing.remove(root)
    assert path.read_text() == text


def test_the_program_puts_them_there_and_takes_them_away(tmp_path: Path):
    project = Project(tmp_path)
    told = project.told("init", "--hooks")
    assert "config.toml" in told
    assert "hooks are in" in told
    (project.root / hook.HOME / ".gitignore").unlink()  # as in a clone
    assert "nothing to do" in project.told("init", "--hooks")
    assert (project.root / hook.HOME / ".gitignore").exists()
    place = project.root / installing.FILE
    assert len(ours(place)) == 4
    event = json.dumps(before("t", "Bash", command="a")).encode()
    hooks.run(project.root, event)
    gone = project.told("init", "--no-hooks")
    assert "no hook of ours" in gone
    assert "1 of their events are not counted yet" in gone
    assert "patterns analyze" in gone
    assert not place.parent.exists()
    project.told("patterns", "analyze")
    assert "nothing to do" in project.told("init", "--no-hooks")
    place.parent.mkdir()
    place.write_text("{,}")
    done = project.call("init", "--hooks")
    assert done.returncode == 3
    assert "settings.json:1:2" in done.stderr


def test_the_help_names_both_words(tmp_path: Path):
    project = Project(tmp_path)
    told = project.told("init", "--help")
    assert "  --hooks, --no-hooks " in told
    assert "or no more" not in told


@pytest.mark.parametrize(
    "told",
    [
        installing.command("/gone/python"),
        installing.command(script="/gone/hook.py"),
        installing.command(script="/dev/null"),
        installing.command("/bin/false"),
    ],
)
def test_a_broken_command_says_nothing_and_ends_well(tmp_path: Path, told: str):
    done = subprocess.run(["sh", "-c", told], input=b"{}", capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
