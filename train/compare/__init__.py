"""Two arms of runs in, one honest report out.

For the command line and for scripts::

    compare_runs(a: Path, b: Path, *, margin=0.01, confidence=0.95) -> Comparison
        a: the reference (for ``train --manifest v3 --against v1``: the runs of v1), b: what is held against it (v3);
        each a run folder or a folder of run folders. Differences are B - A.
    Comparison.to_dict() -> dict              what ``train diff --json`` prints
    write_report(comparison, out: Path) -> Path   report.html, .json, .csv and .md in a folder; returns the page
    print_table(comparison, console) -> None      the terminal table, at most 100 columns (console: rich)
    compare_runs(..., reader=Path, groups={...})  second reading as a ceiling; groups of classes
    check_claims(comparison, ["Pisiform>=+0.01"]) -> [Checked(claim, shown, why)]    exit 1 when one is not shown
    rank_runs([a, b, c, ...], margin=...) -> Ranking; print_ranking(ranking, console); Ranking.to_dict();
        write_ranking(ranking, out) -> Path     (``train diff A B C``)
    plan(comparison, "overall", difference=0.01) -> Power; print_power(power, console); Power.to_dict()
        (``train power``)

All errors are ``CarpusError`` with one clear line.
"""

from __future__ import annotations

from train.compare.check import Checked, check_claims
from train.compare.comparison import compare_arms, compare_runs
from train.compare.power import Power, plan
from train.compare.power_text import print_power
from train.compare.rank import Ranking, rank_runs
from train.compare.rank_page import write_ranking
from train.compare.rank_text import print_ranking
from train.compare.report import json_of, write_report
from train.compare.result import Comparison, Line
from train.compare.text import print_table

__all__ = [
    "Checked", "Comparison", "Line", "Power", "Ranking", "check_claims", "compare_arms", "compare_runs", "json_of",
    "plan", "print_power", "print_ranking", "print_table", "rank_runs", "write_ranking",
    "write_report",
]  # fmt: skip
