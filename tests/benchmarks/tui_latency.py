"""How fast the debugger opens and answers keys, measured at the terminal: ``python tests/benchmarks/tui_latency.py``.

Open time is from exec to the first full screen, warm (the second start counts). A key's time is from the write into
the pty to the first byte of the answer, and to the last before 30 ms of silence.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from support.pty_driver import Answer, Terminal
from support.random_streams import long_stream
from support.recorded import record

KEYS = {
    "next event": "s", "previous event": "S", "next superstep": "n", "previous superstep": "N", "lane next": ".",
    "lane previous": ",", "log down": "down", "log page down": "page-down", "next finding": "e",
    "cause": "[", "effect": "]",
}  # fmt: skip

BACKWARDS = ("previous event", "previous superstep", "lane previous", "cause")
"""Keys that are pressed from the end on."""

LINE = 400
"""Bytes of an answer that only says something in the status line."""


def percentile(values: list[float], percent: int) -> float:
    """Of milliseconds."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] * 1000


def open_seconds(argv: list[str], last: str, columns: int, rows: int) -> float:
    """Seconds from exec to a full screen."""
    with Terminal(argv, columns=columns, rows=rows) as terminal:
        return terminal.wait_for("seq 1/", last, "1 events", "help", timeout=60)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--size", default="160x45", help="columns x rows")
    parser.add_argument("--presses", type=int, default=60, help="of each key")
    parser.add_argument("--file", type=Path, help="measure this recording instead of making one")
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or record(Path(folder, "long.stepscope"), long_stream(given.events))
        argv = [sys.executable, "-m", "stepscope_tui.app", str(path)]
        opens = [open_seconds(argv, "superstep", columns, rows) for _ in range(3)][1:]
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {columns}x{rows}")
        print(f"open: {min(opens):.2f} to {max(opens):.2f} s")
        with Terminal(argv, columns=columns, rows=rows) as terminal:
            terminal.wait_for("seq 1/", "1 events", timeout=60)
            early = [terminal.press("s") for _ in range(given.presses)]
            terminal.settle(quiet=3.0, timeout=120)
            print(f"{'key':<22}{'first p50':>10}{'p95':>8}{'last p50':>10}{'p95':>8}{'bytes':>8}   (ms)")
            row("next event, at once", early)
            for name, key in KEYS.items():
                terminal.press("$" if name in BACKWARDS else "0")  # so that each press has somewhere to go
                terminal.settle(quiet=0.5)
                row(name, [terminal.press(key, timeout=1.0) for _ in range(given.presses)])
            there_and_back = [(terminal.press("$"), terminal.press("0")) for _ in range(given.presses)]
            row("to the end", [there for there, _ in there_and_back])
            row("to the start", [back for _, back in there_and_back])
            terminal.send("q")
            terminal.wait_exit()


def row(name: str, answers: list[Answer]) -> None:
    """One line of the table; presses that had nowhere to go, and changed a line at most, are left out and counted."""
    told = [answer for answer in answers if answer.bytes > LINE]
    silent = f"   {len(answers) - len(told)} stayed" if len(told) < len(answers) else ""
    if len(told) < 2:
        print(f"{name:<22}{silent}")
        return
    first, last = [a.first for a in told], [a.last for a in told]
    size = statistics.median(a.bytes for a in told)
    print(
        f"{name:<22}{percentile(first, 50):>10.1f}{percentile(first, 95):>8.1f}"
        f"{percentile(last, 50):>10.1f}{percentile(last, 95):>8.1f}{size:>8.0f}{silent}"
    )


if __name__ == "__main__":
    main()
