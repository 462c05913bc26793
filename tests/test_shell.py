"""Scripts as bash reads them: their commands, and whether they can fail at all."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator import shell

CANNOT_FAIL = [
    "false || true", "false || :", "false; true", "false; echo done", "false | tail -3",
    "false | tee /dev/null | cat", "false 2>&1 | head -1", "echo ok", "exit 0", "false || echo no",
    "(false; false) || echo fine", "set +e; false; echo ok", "false\necho end", "true && echo yes",
    "{ false; echo x; }", "# nothing", "false | sort | uniq -c", "false 2>&1 | tail || true",
    "cd . && false | tail", "cd . && false 2>&1 | tail", "cd . && echo a && cd . && false | wc -l",
    "true && false 2>&1 | cat 2>&1 | tail", "false; exit 0",
]  # fmt: skip
CAN_FAIL = [
    "false", "false && echo ok", "! true", "set -e; false; echo ok", "false | grep -q x",
    "set -o pipefail; false | tail", "set -euo pipefail; false | tail; echo done",
    "false || { echo no; exit 1; }", "false || (echo no; exit 1)", "test -f /nowhere",
    "if false; then true; else exit 1; fi", "[ -f /nowhere ] && echo yes", "exit 1",
    "bash -c 'exit 3'", "false | grep -c x", "false || exit 1; echo ok", "{ false || exit 1; }; echo ok",
    "if true; then exit 1; fi; echo ok", "false || { echo no; exit 1; }\necho ok", "exec false; true",
    "for f in a b; do test -f /nowhere || exit 1; done; echo all", "trap 'exit 1' ERR; false; true",
    "test -f /nowhere && make 2>&1 | tail -5", "test -f /nowhere && make | tail 2>&1 | tail -5",
    "test -f /nowhere && make 2>&1 | tail -5 && echo ok", "cd . && false && make 2>&1 | tail",
    "! true 2>&1 | tail", "false | true | tail -1\nfalse 2>&1",
    "true 2>&1 | { true; } |& { false; } && cat </dev/null | tail", "printf 'b\\na\\n' | sort -c",
]  # fmt: skip


def status(script: str) -> int:
    return subprocess.run(["bash", "-c", script], capture_output=True, check=False).returncode


def is_valid(script: str) -> bool:
    return (
        subprocess.run(["bash", "-n", "-c", script], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.parametrize("script", CANNOT_FAIL)
def test_what_is_said_to_pass_always_does(script: str):
    assert shell.why_it_cannot_fail(script)
    assert status(script) == 0


@pytest.mark.parametrize("script", CAN_FAIL)
def test_what_can_fail_is_not_said_to_pass(script: str):
    assert shell.why_it_cannot_fail(script) is None
    assert status(script) != 0


PARTS = st.sampled_from(
    [
        "false",
        "true",
        "echo a",
        "cat",
        "tail -1",
        "(exit 3)",
        "set -e",
        "set -o pipefail",
        "! false",
        "false 2>&1",
        "cat < /dev/null 2>&1",
        "cd .",
        "{ false || exit 3; }",
    ]
)


@given(
    st.lists(
        st.tuples(PARTS, st.sampled_from([" && ", " || ", "; ", "\n", " | "])),
        min_size=1,
        max_size=5,
    )
)
def test_bash_agrees_whatever_is_joined(parts: list[tuple[str, str]]):
    script = "".join(part + joint for part, joint in parts[:-1]) + parts[-1][0]
    if shell.why_it_cannot_fail(script) and is_valid(script):
        assert status(script) == 0


def test_every_command_is_found_also_inside_of_others():
    found = shell.commands("cd a && X=1 make -j4 $(nproc) > out 2>&1 || (cd b; ls)")
    assert [one.words[0] for one in found] == ["cd", "make", "nproc", "cd", "ls"]
    assert shell.commands("echo ä \U0001f600b")[0].words == ("echo", "ä", "\U0001f600b")
    assert found[1].words == ("make", "-j4", "$(nproc)")


def test_what_a_command_reads_and_writes():
    cat, head, tail = shell.commands("cat <<'E' > f && head g 2>&1 >h 2>e | tail\nhi\nE\n")
    assert (cat.writes, cat.told, cat.fed) == (("f",), "hi\n", False)
    assert (head.writes, head.told, head.fed) == (("h",), "", False)
    assert (tail.writes, tail.told, tail.fed) == ((), "", True)
    assert shell.commands("cat <<E | sh\nls\nE\n")[1].fed
    assert [one.writes for one in shell.commands("a && b | c &> d")] == [(), (), ("d",)]
    assert shell.commands("a; (b; (c)); d $(e)")[2].inside == (3, 7)
    assert [len(one.inside) for one in shell.commands("a; (b; (c)); d $(e)")] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("cat > f <<'EOF'\nnever ended", [("cat",)]),
        ("cat > f <<EOF\nx\nEOF\nsed -i 's/a", [("cat",), ("sed", "-i", "'s/a'")]),
        ('ls; python -c "import a', [("ls",), ("python", "-c", '"import a"')]),
        ("ls a; ) x (", [("ls", "a")]),
    ],
)
def test_a_text_that_was_cut_is_read_up_to_its_end(script: str, words: list[tuple[str, ...]]):
    assert not shell.is_sound(script)
    assert [one.words for one in shell.sound_commands(script)] == words


SYNTAX = st.sampled_from([*" \n;|&<>$`'\"\\(){}#*", "<<", "${", "$("])


@given(st.lists(SYNTAX | st.characters(), max_size=40).map("".join))
@settings(max_examples=1000)
@example("<\ubdb9\U000502cf\u7014\U00074515*`{\U000f8923&\u02b3")  # once ended the interpreter
def test_no_text_breaks_it(text: str):
    shell.commands(text)
    shell.sound_commands(text)
    shell.why_it_cannot_fail(text)


def test_deep_nesting_ends_in_no_answer():
    assert shell.why_it_cannot_fail("(" * 3000 + "true" + ")" * 3000) in (
        None,
        "it ends with `true`, which always passes",
    )
