"""The bounded parts of output, against simple truths."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.process.output import Kept, Lines, Transcript

chunks = st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"\n\n", b"a\nb"]))


def split(parts: list[bytes], cap: int) -> list[bytes]:
    lines = Lines(cap)
    return [line for part in parts for line in lines.feed(part)] + list(lines.finish())


@given(chunks)
def test_lines_are_those_of_split_however_they_arrive(parts: list[bytes]) -> None:
    whole = b"".join(parts).split(b"\n")
    assert split(parts, cap=10_000) == (whole if whole[-1] else whole[:-1])


@given(chunks, st.integers(1, 8))
def test_a_long_line_is_cut_and_says_so(parts: list[bytes], cap: int) -> None:
    whole = b"".join(parts).split(b"\n")
    expected = [
        line[:cap] + (b" [%d bytes cut]" % (len(line) - cap) if len(line) > cap else b"")
        for line in (whole if whole[-1] else whole[:-1])
    ]
    assert split(parts, cap) == expected


@given(chunks, st.integers(0, 40))
def test_head_and_tail_are_kept_and_the_cut_is_counted(parts: list[bytes], limit: int) -> None:
    kept = Kept(limit)
    for part in parts:
        kept.add(part)
    whole = b"".join(parts)
    head, tail = limit // 2, limit - limit // 2
    if len(whole) <= limit:
        assert kept.text() == whole.decode("utf-8", "replace")
    else:
        mark = b"\n[... %d bytes cut ...]\n" % (len(whole) - limit)
        expected = whole[:head] + mark + whole[len(whole) - tail :]
        assert kept.text() == expected.decode("utf-8", "replace")


def test_a_tail_is_let_go_in_time() -> None:
    kept = Kept(1000)
    for _ in range(1000):
        kept.add(b"x" * 65536)
    assert len(kept._tail) < 200_000


def test_a_transcript_ends_at_its_cap_and_says_so(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "log", cap=10)
    for _ in range(5):
        transcript.add(b"1234")
    text = (tmp_path / "log").read_bytes()
    assert text == b"1234123412\n[the transcript is cut here: it has reached its cap]\n"


def test_a_transcript_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    transcript = Transcript(tmp_path / "log")
    transcript.add(b"secret")
    assert transcript.trouble
    assert not (tmp_path / "elsewhere").exists()
