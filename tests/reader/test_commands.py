"""Which text is a command and which is prose."""

from __future__ import annotations

import pytest

from orchestrator.reader import commands, markdown
from tests.reader.plans import one_task


@pytest.mark.parametrize(
    ("verify", "expected"),
    [
        ("<automated>npm test && ls</automated>", ["npm test && ls"]),
        ("\n<automated>a</automated>\n<automated>b</automated>\n", ["a", "b"]),
        ("<automated>\n    set -e\n    a\n      b\n  </automated>", ["set -e\na\n  b"]),
        ("<automated><![CDATA[ a < b && c ]]></automated>", ["a < b && c"]),
        ("<automated>\n```bash\nmake\n```\n</automated>", ["make"]),
        ("<automated>`make test`</automated>", ["make test"]),
        ("<automated>a &amp;&amp; b &lt; c</automated>", ["a && b < c"]),
        ("<automated>grep '&lt;b&gt;' x && y</automated>", ["grep '&lt;b&gt;' x && y"]),
        ("<automated>MISSING - Wave 0 must create the test</automated>", []),
        ("<automated>N/A</automated>", []),
        ("<automated>none</automated>", []),
        ("<automated>MISSING</automated>", []),
        ("<automated>missing_tool --run</automated>", ["missing_tool --run"]),
        ("\n  Run:\n  ```bash\n  make\n  ```\n  and look\n", ["make"]),
        ("\n```sh\na\n```\n```zsh\nb\n```\n", ["a", "b"]),
        ("\n```python\nprint()\n```\n", []),
        ("\n```\nmake\n```\n", ["make"]),
        ("\nIt prints:\n```\nok\n```\n", []),
        ("`npm test`", ["npm test"]),
        ("`npm test` and `npm run lint`.", ["npm test", "npm run lint"]),
        ("\n- `a b`\n- `c d`\n", ["a b", "c d"]),
        ("\n1. `a b`;\n2. ``c `d` ``\n", ["a b", "c `d`"]),
        ("`a b`\n\n        `c d`\n  and `e f`", ["a b", "c d", "e f"]),
        ("`npm test` passes", []),
        ("run the tests", []),
        ("npm test", []),
        ("<automated>a</automated>\nThen `b` works too", ["a"]),
        ("", []),
    ],
)
def test_checks(verify: str, expected: list[str]) -> None:
    assert list(one_task(f"<verify>{verify}</verify>").commands) == expected


def test_the_kind_command_makes_the_whole_text_a_check() -> None:
    task = one_task("<verify>test -f a &amp;&amp; b</verify>", attributes='kind="command"')
    assert task.commands == ("test -f a && b",)


def test_crlf_becomes_lf_in_commands_only() -> None:
    task = one_task("<verify>\r\n<automated>\r\n a\r\n b\r\n</automated>\r\n</verify>")
    assert task.commands == ("a\nb",)
    assert "\r\n" in task.verify


def test_human_checks_are_collected_and_not_run() -> None:
    task = one_task(
        "<verify>\n<automated>a</automated>\n<human-check>\n<test>Open it</test>\n<expected>blue</expected>\n"
        "</human-check>\n<manual>Look twice</manual>\n</verify>"
    )
    assert task.commands == ("a",)
    assert task.human_checks == ("<test>Open it</test>\n<expected>blue</expected>", "Look twice")
    verify = next(e for e in task.elements if e.tag == "verify")
    assert [c.tag for c in verify.children[1].children] == ["test", "expected"]


def test_a_mention_of_the_tag_in_a_command_does_not_end_it() -> None:
    task = one_task('<verify>\n<automated>grep -c "</automated>" x && y</automated>\n</verify>')
    assert task.commands == ('grep -c "</automated>" x && y',)


def test_the_script_is_every_shell_fence_in_order() -> None:
    action = "\n  First:\n\n    ```bash\n    cat > x <<EOF\n    a < b && c\n    EOF\n    ```\n  then\n  ```sh\n  make\n  ```\n"
    assert commands.script(action) == "cat > x <<EOF\na < b && c\nEOF\nmake"
    assert commands.script("```python\nx\n```") is None
    assert commands.script("just do it") is None


def test_a_fence_right_behind_the_tag_counts() -> None:
    assert commands.script("```bash\n    make\n  ```") == "make"


def test_deep_indentation_is_not_a_code_block() -> None:
    assert markdown.fences(
        "Do:\n  so\n\n        ```bash x\n        a\n          b\n        ```"
    ) == [("bash", "a\n  b")]


def test_entities_are_decoded_only_where_nothing_bare_stands() -> None:
    assert commands.decode("a &amp;&amp; b") == "a && b"
    assert commands.decode("a &amp;lt;") == "a &lt;"
    assert commands.decode("echo '&lt;' > x") == "echo '&lt;' > x"
    assert commands.decode("curl 'x?a=1&amp;b=2' & wait") == "curl 'x?a=1&amp;b=2' & wait"
