"""The main command as a function: one version, or two and the report of what the change of data did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.errors import UsageError
from train.arms import Arm
from train.config import Config
from train.fit.run import RunResult, fit_run
from train.progress import Reporter
from train.runs import arm_folder


@dataclass(frozen=True)
class Experiment:
    """What was trained.

    Attributes:
        arms: the version named first, then the one that it is compared with.
        folders: of each arm's runs. results: of each arm, by seed.
        runs: the folder of all runs.
    """

    runs: Path
    arms: tuple[Arm, ...]
    folders: tuple[Path, ...]
    results: tuple[tuple[RunResult, ...], ...]


def run_experiment(
    arms: Sequence[Arm],
    config: Config,
    *,
    seeds: int = 3,
    runs: Path | None = None,
    reporter: Reporter | None = None,
) -> Experiment:
    """Train every arm with the same configuration, steps and seeds.

    Arms take turns, seed by seed, so that an interrupted experiment has pairs.

    Args:
        arms: one or two, from :func:`train.arms.plan_arms`. seeds: how many, from 0.
        runs: the folder of all runs; ``runs`` beside the manifest by default.

    Raises:
        CarpusError: as :func:`train.fit.run.fit_run`; or the arms began from different weights.
    """
    if seeds < 1:
        raise UsageError("--seeds", f"{seeds} is not at least 1")
    reporter = reporter or Reporter()
    runs = Path(runs) if runs is not None else arms[0].version.manifest.root / "runs"
    results: list[list[RunResult]] = [[] for _ in arms]
    for seed in range(seeds):
        for k, arm in enumerate(arms):
            results[k].append(fit_run(arm, seed, config, runs, reporter))
    origins = {r.record.get("initial_weights") for found in results for r in found}
    if len(origins) > 1:
        raise UsageError(
            "weights", f"the runs began from different weights ({', '.join(sorted(map(str, origins)))}): no comparison"
        )
    folders = tuple(arm_folder(runs, arm, config) for arm in arms)
    return Experiment(runs, tuple(arms), folders, tuple(map(tuple, results)))
