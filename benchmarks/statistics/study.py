"""Which interval and test the report should use, by simulation; writes the tables of docs/statistics.md.

    python benchmarks/statistics/study.py [--reports 250] [--out docs/statistics.md]

What is done is kept in study.json beside this file, line by line, and not done again for the same number of reports.

Every line is an experiment repeated: two arms of the same truth (A/A), 29 bones. Coverage: share of 95% intervals that
hold the true difference. False alarms: share of reports that call any bone better or worse after Holm. Power: share of
bones shown when every bone's true difference is 0.02, after Holm.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from candidates import CANDIDATES  # noqa: E402  (the path is set first)
from simulate import Scenario, draw  # noqa: E402

from train.compare.estimate import holm  # noqa: E402

BASE = Scenario()
SCENARIOS = {
    "80 patients, 2 seeds": BASE.but(seeds=2),
    "80 patients, 3 seeds": BASE,
    "80 patients, 5 seeds": BASE.but(seeds=5),
    "20 patients, 3 seeds": BASE.but(patients=20),
    "8 patients, 3 seeds": BASE.but(patients=8),
    "seeds vary twice as much": BASE.but(seed_sd=0.006),
    "seeds do not vary": BASE.but(seed_sd=0.0),
    "noisy patients": BASE.but(seed_sd=0.002, residual_sd=0.02),
    "bones missed at times (2%)": BASE.but(missed=0.02),
    "5 folds, seeds independent": BASE.but(folds=5),
    "5 folds, seed effects kept": BASE.but(folds=5, shared=1.0),
    "bones of a training alike": BASE.but(common=1.0),
}
EFFECT = 0.02
KEPT = Path(__file__).with_name("study.json")
BEGIN, END = "<!-- study: begin -->", "<!-- study: end -->"


def measure(scenario: Scenario, reports: int, rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
    """Coverage, false alarms and power of every candidate in one scenario."""
    names = list(CANDIDATES)
    covered, alarms, shown = (dict.fromkeys(names, 0.0) for _ in range(3))
    for _ in range(reports):
        a, b, _ = draw(scenario, rng)
        for name, candidate in CANDIDATES.items():
            p, inverted = candidate(a, b, rng)
            covered[name] += -1.0 if inverted is None else np.mean(inverted >= 0.05)
            alarms[name] += holm(p).min() <= 0.05
            p, _ = candidate(a, b + EFFECT, rng)
            shown[name] += np.mean(holm(p) <= 0.05)
    return {n: (covered[n] / reports, alarms[n] / reports, shown[n] / reports) for n in names}


def table(found: dict[str, dict[str, tuple[float, float, float]]], which: int, target: str) -> list[str]:
    """One Markdown table: scenarios down, candidates across."""
    names = list(CANDIDATES)
    lines = [f"| {target} | {' | '.join(names)} |", "|:--|" + "--:|" * len(names)]
    for scenario, values in found.items():
        cells = ["-" if values[n][which] < 0 else f"{100 * values[n][which]:.1f}" for n in names]
        lines.append(f"| {scenario} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Run the study and put its tables between the markers of the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=250)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/statistics.md")
    options = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if kept.get("reports") != options.reports:
        kept = {"reports": options.reports, "found": {}}
    for name, scenario in SCENARIOS.items():
        if name in kept["found"]:
            continue
        since = time.process_time()
        kept["found"][name] = measure(scenario, options.reports, np.random.default_rng(20261121))
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        chosen = list(kept["found"][name].values())[-1]
        print(f"{name}: {np.round(chosen, 3).tolist()}, {time.process_time() - since:.0f} s", flush=True)
    found = {name: kept["found"][name] for name in SCENARIOS}
    error = 100 * np.sqrt(0.05 * 0.95 / options.reports)
    text = [
        BEGIN, "",
        f"{options.reports} simulated experiments a line; standard error of a false-alarm rate of 5%: {error:.1f}.",
        "",
        *table(found, 0, "coverage of the 95% interval, %"), "",
        *table(found, 1, "reports with a false alarm, %"), "",
        *table(found, 2, f"bones shown at a true difference of {EFFECT}, %"), "", END,
    ]  # fmt: skip
    page = options.out.read_text(encoding="utf-8") if options.out.exists() else f"{BEGIN}\n{END}\n"
    before, rest = page.split(BEGIN)
    options.out.write_text(before + "\n".join(text) + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
