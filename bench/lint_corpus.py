"""Times the reader over a folder of plans beside lxml and a plain regex scan, in one process, and `orchestrator lint`; it prints and asserts nothing.

python bench/lint_corpus.py FOLDER
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from orchestrator.model import PlanId
from orchestrator.reader import read
from orchestrator.reader.discover import plan_files
from orchestrator.reader.source import decode

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def main(folder: Path) -> None:
    plans = [(str(path.relative_to(folder)), path.read_bytes()) for path in plan_files(folder)]
    size = sum(len(data) for _, data in plans) / 1e6
    print(f"{len(plans)} plans, {size:.1f} MB")
    tasks = 0

    def read_all() -> None:
        nonlocal tasks
        tasks = 0
        for path, data in plans:  # each is dropped before the next one is read
            tasks += read(data, path, id=PlanId(path), max_bytes=2_000_000, max_tasks=500).tasks

    reader_s = show("reader", size, read_all)
    documents = [well_formed(data) for _, data in plans]
    xml_size = sum(map(len, documents)) / 1e6
    lxml_s = show("lxml", xml_size, lambda: [etree.fromstring(one) for one in documents])
    pattern = re.compile(rb"<task[\s>]")
    scan_s = show("plain scan", size, lambda: [len(pattern.findall(data)) for _, data in plans])
    print(
        f"{tasks} tasks; the reader takes {reader_s / lxml_s:.1f} times as long as lxml over well-formed XML"
    )
    print(f"of the same texts, {reader_s / scan_s:.0f} times as long as the scan")
    show_memory(plans)
    begin = time.perf_counter()
    command = [sys.executable, "-m", "orchestrator", "lint", str(folder), "--json"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    lint_s = time.perf_counter() - begin
    print(f"{'lint':10} {lint_s:8.3f} s  {size / lint_s:8.1f} MB/s  (wall, the whole command)")


def show(name: str, size: float, run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    taken_s = time.process_time() - begin
    print(f"{name:10} {taken_s:8.3f} s  {size / taken_s:8.1f} MB/s")
    return taken_s


def well_formed(data: bytes) -> bytes:
    """The same text as XML: its tasks as elements, everything else escaped."""
    text = FORBIDDEN.sub("?", decode(data)[0])
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("]]>", "]]&gt;")
    for name in ("tasks", "task", "name", "files", "action", "verify", "done"):
        escaped = re.sub(rf"^([ \t]*)&lt;{name}[^\n>]*>[^\n]*$", r"\1<t/>", escaped, flags=re.M)
    return f"<plan>{escaped}</plan>".encode()


def show_memory(plans: list[tuple[str, bytes]]) -> None:
    """The peak while all plans are read one by one, and for the largest plan alone: they are close."""
    peaks = []
    for some in (plans, [max(plans, key=lambda plan: len(plan[1]))]):
        tracemalloc.start()
        for path, data in some:
            read(data, path, id=PlanId(path), max_bytes=2_000_000, max_tasks=500)
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"memory     {peaks[0]:.1f} MB at most over all plans, {peaks[1]:.1f} MB for the largest alone "
        f"(the process {used:.0f} MB)"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/lint_corpus.py FOLDER")
    main(Path(sys.argv[1]))
