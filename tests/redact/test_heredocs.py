"""Of a here-document only its first and last line are left, and all else of the script; bash says what is one."""

from __future__ import annotations

import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.redact.heredocs import without_texts

# A script, and what is left of it. bash prints CONTENT for each of them, and never KEPT before it.
FORMS = [
    ("cat <<EOF\nCONTENT\nEOF\n", "cat <<EOF\nEOF\n"),
    ("cat <<'END-OF'\nCONTENT\nEND-OF\n", "cat <<'END-OF'\nEND-OF\n"),
    ('cat <<"END TEXT"\nCONTENT\nEND TEXT\n', 'cat <<"END TEXT"\nEND TEXT\n'),
    ("cat <<!\nCONTENT\n!\n", "cat <<!\n!\n"),
    ("cat <<1\nCONTENT\n1\n", "cat <<1\n1\n"),
    ("cat <<EOF.1\nCONTENT\nEOF\nEOF.1\n", "cat <<EOF.1\nEOF.1\n"),
    ('cat <<E"O"F\nCONTENT\nEOF\n', 'cat <<E"O"F\nEOF\n'),
    ("cat <<\\EOF\nCONTENT\nEOF\n", "cat <<\\EOF\nEOF\n"),
    ("cat << \\\nEOF\nCONTENT\nEOF\n", "cat << \\\nEOF\nEOF\n"),
    ("cat /dev/fd/3 - 3<<A <<B\nCONTENT\nA\nCONTENT\nB\n", "cat /dev/fd/3 - 3<<A <<B\nA\nB\n"),
    ("cat <<EOF\n  EOF\nCONTENT\nEOF\n", "cat <<EOF\nEOF\n"),
    ("cat <<-EOF\n\tCONTENT\n\tEOF\n", "cat <<-EOF\n\tEOF\n"),
    ("cat <<EOF\nCONTENT\\\nEOF\nCONTENT\nEOF\n", "cat <<EOF\nEOF\n"),
    ("cat <<'EOF'\nCONTENT\\\nEOF\n", "cat <<'EOF'\nEOF\n"),
    ("cat <<EOF\r\nCONTENT\r\nEOF\r\n", "cat <<EOF\r\nEOF\r\n"),
    ("cat <<''\nCONTENT\n\n", "cat <<''\n\n"),
    ("cat <<EOF; true\nCONTENT\nEOF\n", "cat <<EOF; true\nEOF\n"),
    ("cat <<EOF | \\\ncat\nCONTENT\nEOF\n", "cat <<EOF | \\\ncat\nEOF\n"),
    ("(cat <<EOF)\nCONTENT\nEOF\n", "(cat <<EOF)\nEOF\n"),
    ("echo \"$(cat <<'EOF'\nCONTENT's \"\nEOF\n)\"\n", "echo \"$(cat <<'EOF'\nEOF\n)\"\n"),
    ("echo `cat <<EOF\nCONTENT\nEOF\n`\n", "echo `cat <<EOF\nEOF\n`\n"),
    ("# don't\ncat <<EOF\nCONTENT\nEOF\n", "# don't\ncat <<EOF\nEOF\n"),
    (": a#'b\n' $'it\\'s' $#\ncat <<EOF\nCONTENT\nEOF\n", ": a#'b\n' $'it\\'s' $#\ncat <<EOF\nEOF\n"),
    (": '<<A'\ncat <<B\nA\nCONTENT\nB\n", ": '<<A'\ncat <<B\nB\n"),
    (': "<<A"\ncat <<B\nA\nCONTENT\nB\n', ': "<<A"\ncat <<B\nB\n'),
    ("# <<A\ncat <<B\nA\nCONTENT\nB\n", "# <<A\ncat <<B\nB\n"),
    (": <<<A\ncat <<B\nA\nCONTENT\nB\n", ": <<<A\ncat <<B\nB\n"),
    # One of an inner shell: of its text nothing from there on.
    ("sh -c 'cat <<EOF\nCONTENT\nEOF'\n", "sh -c 'cat '\n"),
    ("bash -c 'true; cat <<-EOF; true\n\tCONTENT\n\tEOF\ntrue' && true\n", "bash -c 'true; cat ' && true\n"),
    ('bash -c "cat <<\\"E F\\"\nCONTENT\nE F"; true\n', 'bash -c "cat "; true\n'),
    ('bash -c "cat <<E\n$(cat <<F\nCONTENT\nF\n)\nCONTENT\nE"; true\n', 'bash -c "cat "; true\n'),
    ("eval 'cat <<EOF\nCONTENT\nEOF'|cat\n", "eval 'cat '|cat\n"),
    ("bash -c $'cat <<EOF\\nCONTENT\\x0aEOF'\n", "bash -c $'cat '\n"),
    ("printf 'cat <<EOF\\012CONTENT\\nEOF\\n' | sh\n", "printf 'cat ' | sh\n"),
    ("(sh -c 'cat <<E\nCONTENT\nE')\ncat <<E\nCONTENT\nE\n", "(sh -c 'cat ')\ncat <<E\nE\n"),
    ("echo \"$(sh -c 'cat <<E\nCONTENT\nE')\"\n", "echo \"$(sh -c 'cat ')\"\n"),
    ("sh -c 'cat <<E\nCONTENT\nE' | cat - /dev/fd/3 3<<E\nCONTENT\nE\n", "sh -c 'cat ' | cat - /dev/fd/3 3<<E\nE\n"),
]  # fmt: skip
# In an inner shell, by a word of several quotes: nothing of it and nothing after it is kept. bash prints CONTENT for each.
INNER = [
    ("true; sh -c 'cat <<'\\''E'\\''\nCONTENT\nE'\nls", "true; sh -c "),
    ("true; sh -c 'cat <<'\"'E'\"'\nCONTENT\nE'\nls", "true; sh -c "),
    ("true; sh -c \"cat <<\"'E\nCONTENT\nE'\nls", "true; sh -c "),
    ("true; sh -c 'cat <<E\nx\nE\ncat <<'F$'\nCONTENT\nF\n'\nls", "true; sh -c "),
    ('true; sh -c "cat <<E\nCONTENT\n$(cat <<F\nx\nF\n)\nCONTENT\nE\n"""\nls', "true; sh -c "),
    ("true; echo \"`sh -c 'cat <<E\nCONTENT\nE'`\"\nls", "true; echo "),
]
# Not one that is understood, or none at all where that is not certain: nothing of it and nothing after it is kept.
CUT = [
    ("cat <<$x\nCONTENT\n$x\n", "cat "),
    ('cat <<"$(x)"\nCONTENT\n$(x)\n', "cat "),
    ('cat <<"a\\"b"\nCONTENT\na"b\n', "cat "),
    ("echo $((1<<2))\nKEPT", "echo $"),
    ("cat <<EOF 'a\nb'\nCONTENT\nEOF\n", "cat <<EOF "),
    ("x <<\nCONTENT", "x "),
    ("x << # y\nCONTENT", "x "),
    ("echo 'never << ends\nCONTENT", "echo "),
    ('echo "never << ends\nCONTENT', "echo "),
    ("cat <<E\nCONTENT\ncat <<F\nCONTENT", "cat <<E\n"),
    ('x "$(case a in a) cat <<E\nCONTENT\nE\n;; esac)"', "x "),
    ('x "cat <<E\nCONTENT\n$(cat <<F\ny\nF\n)\nCONTENT', "x "),
    ('x "cat <<E\nCONTENT\n$(cat <<F\ny\nF\ncat <<$z\n)\nE"', "x "),
    ('x `y "cat <<E\nCONTENT\n` z', "x "),
    ('x "cat <<E\nCONTENT\n$(cat <<F)"\ny\nF', "x "),
]


@pytest.mark.parametrize(("script", "left"), FORMS)
def test_what_bash_takes_for_a_text_is_gone_and_all_else_is_there(script: str, left: str):
    more = f"true KEPT\n{script}true KEPT too\n"
    printed = subprocess.run(["bash", "-c", more], capture_output=True, text=True).stdout
    assert printed.count("CONTENT") == script.count("CONTENT")
    assert without_texts(script) == left
    assert without_texts(more) == f"true KEPT\n{left}true KEPT too\n"


@pytest.mark.parametrize(("script", "left"), CUT)
def test_from_the_first_that_is_not_understood_on_nothing_is_kept(script: str, left: str):
    assert without_texts(script) == left


@pytest.mark.parametrize(("script", "left"), INNER)
def test_what_an_inner_shell_takes_for_a_text_is_gone_however_it_is_quoted(script: str, left: str):
    printed = subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout
    assert printed.count("CONTENT") == script.count("CONTENT")
    assert without_texts(script) == left


@pytest.mark.parametrize(
    "script",
    [
        "grep -n '<<' a.py\nls",
        'python -c "print(1 << 2)"\nls',
        "cat <<< word\nls",
        "ls",
        "bash -c 'cat <<< word\nls'\nls",
        'bash -c "cat <<< word\nls"\nls',
        "echo 'one\ntwo << three' \"one\ntwo << three\"\nls",
    ],
)
def test_a_script_without_any_is_as_it_was(script: str):
    assert without_texts(script) == script


@given(st.lists(st.sampled_from(FORMS), min_size=1, max_size=5))
def test_many_in_one_script_are_each_as_alone(parts: list[tuple[str, str]]):
    script = "".join(one for one, _ in parts)
    assert without_texts(script) == "".join(left for _, left in parts)


@given(st.text(alphabet="<-'\"E \n\t\\`$()#x", max_size=60))
def test_nothing_is_made_up_and_a_second_time_changes_nothing(text: str):
    found = without_texts(text)
    assert without_texts(found) == found
    rest = iter(text)
    assert all(char in rest for char in found)
    if "<<" not in text:
        assert found == text


@pytest.mark.parametrize(
    "part",
    [
        "<<word",
        "<<a ",
        "<<'a",
        '"$(',
        "`",
        "((",
        "\\\n",
        "<<E\n",
        "<<E\\\n",
        "'<<'",
        "<",
        "( <<a ",
        "'<<\n' ",
        '"<<\n" ',
        '"<<$(',
        '"<<\n"',
        "$'<<\\n' ",
        '"<<\n$(x <<E\nE\n)" ',
    ],
)
def test_a_long_script_takes_no_long_time(part: str):
    began = time.process_time()
    without_texts("<<" + part * (100_000 // len(part)))
    without_texts(part * (100_000 // len(part)) + "<<E")
    assert time.process_time() - began < 3
