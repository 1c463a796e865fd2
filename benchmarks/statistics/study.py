"""Which interval and test the report should use, by simulation; writes the tables of docs/statistics.md.

    python benchmarks/statistics/study.py [--reports 400] [--resampled 40] [--out docs/statistics.md]

What is done is kept in study.json beside this file, line by line, and not done again for the same numbers of reports.

Every line is an experiment repeated: two arms of the same truth (A/A), 29 bones. Coverage: share of 95% intervals that
hold the true difference. False alarms: share of reports that call any bone better or worse after Holm. Power: share of
bones shown when every bone's true difference is 0.02, after Holm.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from candidates import CANDIDATES, CHOSEN, Pair, fast  # noqa: E402  (the path is set first)
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
    "seeds vary twice as much, 2 seeds": BASE.but(seed_sd=0.006, seeds=2),
    "seeds do not vary": BASE.but(seed_sd=0.0),
    "noisy patients": BASE.but(seed_sd=0.002, residual_sd=0.02),
    "bones missed at 0.5%": BASE.but(missed=0.005),
    "20 patients, bones missed at 2%": BASE.but(patients=20, missed=0.02),
    "5 folds, seed effects kept": BASE.but(folds=5, shared=1.0),
    "5 folds, seed effects lost": BASE.but(folds=5),
    "5 folds with seeds of their own": BASE.but(folds=5, nested=True),
    "bones of a training alike": BASE.but(common=1.0),
    "5 patients, 3 seeds": BASE.but(patients=5),
    "5 patients, 2 seeds": BASE.but(patients=5, seeds=2),
    "3 patients that respond unlike": BASE.but(patients=3, seed_sd=0.001, response_sd=0.02, residual_sd=0.005),
    "heavy-tailed seeds": BASE.but(tails=3.0),
    "5 bones lost by half the trainings": BASE.but(patients=20, lost=0.5),
    "the same, 2 seeds": BASE.but(patients=20, lost=0.5, seeds=2),
    "2 and 5 seeds, alike": BASE.but(seeds=2, seeds_b=5),
    "2 and 5 seeds, B's vary half as much": BASE.but(seeds=2, seeds_b=5, unlike=0.5),
    "B's seeds vary 3 times as much": BASE.but(unlike=3.0),
    "20 patients, skewed response": BASE.but(patients=20, response_sd=0.03, skew=1.0),
}
EFFECT = 0.02
KEPT = Path(__file__).with_name("study.json")
BEGIN, END = "<!-- study: begin -->", "<!-- study: end -->"
Found = dict[str, tuple[float, float, float]]


def measure(
    experiment: Callable[[np.random.Generator], Pair], reports: int, resampled: int, rng: np.random.Generator
) -> Found:
    """Coverage, false alarms and power of every candidate.

    Args:
        experiment: gives two arms without a difference between them.
        reports: experiments for the candidates that are computed; resampled: for those that resample, which take long.
    """
    covered, alarms, shown, tried = (dict.fromkeys(CANDIDATES, 0.0) for _ in range(4))
    for k in range(reports):
        pair = experiment(rng)
        better = pair.shifted(EFFECT)
        for name, candidate in CANDIDATES.items():
            if k >= resampled and not fast(candidate):
                continue
            p, inverted = candidate(pair)
            tried[name] += 1
            covered[name] += -1.0 if inverted is None else np.mean(inverted[~np.isnan(inverted)] >= 0.05)
            alarms[name] += holm(p).min() <= 0.05
            p, _ = candidate(better)
            shown[name] += np.mean(holm(p) <= 0.05)
    return {n: (covered[n] / tried[n], alarms[n] / tried[n], shown[n] / tried[n]) for n in CANDIDATES}


def simulated(scenario: Scenario) -> Callable[[np.random.Generator], Pair]:
    """Experiments of a scenario; folds are told only where the report would know of them."""

    def experiment(rng: np.random.Generator) -> Pair:
        a, b, fold = draw(scenario, rng)
        return Pair(a, b, rng, fold if scenario.nested else None)

    return experiment


def table(found: Mapping[str, Found], which: int, what: str) -> list[str]:
    """A Markdown table: a line a scenario, a column a candidate."""
    names = list(CANDIDATES)
    lines = [f"| {what} | {' | '.join(names)} |", "|:--" + "|--:" * len(names) + "|"]
    for scenario, values in found.items():
        cells = ["-" if values[n][which] < 0 else f"{100 * values[n][which]:.1f}" for n in names]
        lines.append(f"| {scenario} | {' | '.join(cells)} |")
    return lines


def put_between(path: Path, begin: str, end: str, lines: list[str]) -> None:
    """Replace what stands between two markers of a page."""
    page = path.read_text(encoding="utf-8") if path.exists() else f"{begin}\n{end}\n"
    before, rest = page.split(begin)
    path.write_text(before + "\n".join([begin, "", *lines, "", end]) + rest.split(end)[1], encoding="utf-8")


def standard_errors(reports: int, resampled: int) -> str:
    """How sure a false-alarm rate of 5% is, in words."""
    error, rough = (100 * np.sqrt(0.05 * 0.95 / n) for n in (reports, resampled))
    return (
        f"{reports} experiments a line, {resampled} for the bootstraps and the permutation: the standard error of a\n"
        f"false-alarm rate of 5% is {error:.1f} and {rough:.1f}."
    )


def main() -> None:
    """Run the study and put its tables between the markers of the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=400)
    parser.add_argument("--resampled", type=int, default=40)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/statistics.md")
    options = parser.parse_args()
    asked = [options.reports, options.resampled]
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if kept.get("reports") != asked:
        kept = {"reports": asked, "found": {}}
    for name, scenario in SCENARIOS.items():
        if name in kept["found"]:
            continue
        since = time.process_time()
        kept["found"][name] = measure(simulated(scenario), *asked, np.random.default_rng(20261121))
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        chosen = np.round(kept["found"][name][CHOSEN], 3).tolist()
        print(f"{name}: {chosen}, {time.process_time() - since:.0f} s", flush=True)
    found = {name: kept["found"][name] for name in SCENARIOS}
    put_between(options.out, BEGIN, END, [
        standard_errors(*asked), "",
        *table(found, 0, "coverage of the 95% interval, %"), "",
        *table(found, 1, "reports with a false alarm, %"), "",
        *table(found, 2, f"bones shown at a true difference of {EFFECT}, %"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
