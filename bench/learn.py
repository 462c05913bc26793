"""`learn` on a long ledger, beside DuckDB's and polars' own reading and grouping of the same file: time and peak memory.

`python -m bench.learn [LINES]` (with the extra `bench` the other two as well; a million by default). Each measurement is a process of its own,
in turn, on the same file, after one reading that nobody counts. Ours checks each line's checksum and drops attempts that
are told twice, and holds nothing but sums; theirs do neither. The file lies in a temporary folder and is removed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from orchestrator.ledger import NAME
from orchestrator.ledger.line import sealed

LINES = 1_000_000
PACKAGES = {"learn": "orchestrator", "duckdb": "duckdb", "polars": "polars"}
MODELS = (  # tier, model id, pass rate, dollars
    ("haiku", "claude-haiku-4-5-20251001", 0.62, 0.04),
    ("sonnet", "claude-sonnet-4-5-20250929", 0.71, 0.56),
    ("opus", "claude-opus-4-5-20251101", 0.75, 0.72),
)
GROUPED = """
select complexity_estimated, model_version, count(*), avg((outcome = 'success')::int), avg(cost_usd), avg(duration_seconds)
from read_ndjson_auto('{file}') where timestamp >= '{since}' group by all
"""


def main() -> None:
    if len(sys.argv) == 4:
        print(json.dumps(measured(*sys.argv[1:])))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    print(f"{count:,} lines, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    for what, days in (("all of them in the window", 29.0), ("over two years", 730.0)):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / NAME
            write(file, count, days)
            print(f"\n{what}: {file.stat().st_size / 1e6:,.0f} MB, times in seconds")
            file.read_bytes().count(b"\n")
            show({who: run(who, file) for who in PACKAGES})


def write(file: Path, count: int, days: float) -> None:
    end = datetime.now(UTC)
    with file.open("wb", buffering=1 << 20) as out:
        for line in lines(count, end, timedelta(days=days)):
            out.write(line)


def lines(count: int, end: datetime, span: timedelta) -> Iterator[bytes]:
    dice = random.Random(7)
    for number in range(count):
        tier, model, rate, usd = dice.choice(MODELS)
        complexity = dice.randint(1, 10)
        ok = dice.random() < rate
        at = end - span * (1 - number / count)
        tokens = {"input": dice.randint(900, 9000), "output": dice.randint(300, 9000)}
        tokens |= {"cache_read": dice.randint(10_000, 900_000), "cache_write": 4000}
        yield sealed(
            {
                "task_id": f"{number % 40:02}-{number % 7:02}-task-{number % 5 + 1}",
                "complexity_estimated": complexity,
                "model_routed": tier,
                "outcome": "success" if ok else "failed",
                "duration_seconds": round(dice.lognormvariate(5.5, 0.6), 3),
                "tokens_total": sum(tokens.values()),
                "cost_usd": round(usd * dice.lognormvariate(0, 0.5), 6),
                "model_version": model,
                "timestamp": at.isoformat().replace("+00:00", "Z"),
                "v": 2,
                "attempt": 1,
                "run_id": f"r{number // 5:08}",
                "project": "shop",
                "worker": "claude",
                "provider": "anthropic",
                "route": {
                    "tier": tier,
                    "confidence": 0.6,
                    "reason": f"complexity {complexity} (addition (-1)): up to 8 starts on sonnet",
                    "propensity": None,
                    "strategy": "default",
                    "model": model,
                    "estimated_tokens": 9200,
                    "estimated_cost_usd": usd,
                    "estimated_duration_s": 240.0,
                },
                "tokens": tokens | {"reasoning": None},
                "lower_bound": False,
                "cost_basis": "reported",
                "verified": "command",
                "verify_strength": 0.9,
                "failure": None if ok else "verify",
                "escalated_from": None,
                "area": "src",
                "risk": "medium",
                "task_type": "api-impl",
                "origin": "live",
            }
        )


def run(who: str, file: Path) -> dict[str, float] | None:
    """None: it is not installed."""
    if find_spec(PACKAGES[who]) is None:
        return None
    since = (datetime.now(UTC) - timedelta(days=30)).isoformat().replace("+00:00", "Z")
    argv = [sys.executable, "-m", "bench.learn", who, str(file), since]
    told = subprocess.run(argv, capture_output=True, text=True, check=False)
    if told.returncode:
        sys.exit(f"{who}: {told.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(told.stdout)
    return found


def measured(who: str, file: str, since: str) -> dict[str, float]:
    began, cpu = time.perf_counter(), time.process_time()
    groups = {"learn": ours, "duckdb": duckdb, "polars": polars}[who](Path(file), since)
    took = time.perf_counter() - began
    return {"s": took, "cpu_s": time.process_time() - cpu, "mb": peak_mb(), "groups": groups}


def peak_mb() -> float:
    """Of this process since it began; files that are only mapped count too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def ours(file: Path, since: str) -> int:
    """What `learn` does, and how many groups it has compared."""
    from orchestrator.intelligence.comparison import Policy
    from orchestrator.intelligence.learner import learn
    from orchestrator.ledger import Samples

    learned = learn(Samples(file.parent, since), Policy())
    return learned.groups


def duckdb(file: Path, since: str) -> int:
    import duckdb

    return len(duckdb.sql(GROUPED.format(file=file, since=since)).fetchall())


def polars(file: Path, since: str) -> int:
    import polars as pl

    sums = (
        pl.len().alias("n"),
        (pl.col("outcome") == "success").mean(),
        pl.col("cost_usd").mean(),
        pl.col("duration_seconds").mean(),
    )
    recent = pl.scan_ndjson(file).filter(pl.col("timestamp") >= since)
    return recent.group_by("complexity_estimated", "model_version").agg(*sums).collect().height


def show(found: dict[str, dict[str, float] | None]) -> None:
    mine = found["learn"]
    assert mine is not None
    for who, one in found.items():
        if one is None:
            print(f"  {who:8} not installed (pip install 'orchestrator[bench]')")
            continue
        ratio = f"{mine['s'] / one['s']:.2f}x the time, {mine['mb'] / one['mb']:.2f}x the memory"
        print(
            f"  {who:8} {one['s']:7.2f} wall  {one['cpu_s']:7.2f} CPU  {one['mb']:7,.0f} MB  {one['groups']:4.0f} groups"
            + ("" if who == "learn" else f"   (learn: {ratio})")
        )


if __name__ == "__main__":
    main()
