"""The main command as a function: one version, or two and the report of what the change of data did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.errors import UsageError
from curate.manifest.store import Manifest
from train.arms import Arm, check_same_evaluation, make_arm
from train.config import Config
from train.fit import RunResult, fit_run
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


def plan_arms(manifest: Manifest, versions: Sequence[str], fold: int, config: Config) -> tuple[Arm, ...]:
    """The arms of a comparison, proven free of leaks and to be scored on the same films.

    Args:
        versions: one or two names; the first one's split is used for all.

    Raises:
        LeakError, UsageError: as :func:`train.arms.make_arm` and :func:`train.arms.check_same_evaluation`.
    """
    first = manifest.version(versions[0])
    arms = tuple(make_arm(manifest.version(name), first, fold, config.inner) for name in versions)
    for other in arms[1:]:
        check_same_evaluation(arms[0], other)
    return arms


def run_experiment(
    manifest: Manifest,
    versions: Sequence[str],
    config: Config,
    *,
    fold: int = 0,
    seeds: int = 3,
    runs: Path | None = None,
    reporter: Reporter | None = None,
) -> Experiment:
    """Train every arm with the same configuration, steps and seeds.

    Arms take turns, seed by seed, so that an interrupted experiment has pairs.

    Args:
        versions: one or two names. fold: to evaluate. seeds: how many, from 0.
        runs: the folder of all runs; ``runs`` beside the manifest by default.

    Raises:
        LeakError, UsageError, CarpusError: before anything is trained where that is possible.
    """
    if seeds < 1:
        raise UsageError("--seeds", f"{seeds} is not at least 1")
    if len(set(versions)) != len(versions):
        raise UsageError("--against", f"{versions[0]} against itself: name another version")
    reporter = reporter or Reporter()
    runs = Path(runs) if runs is not None else manifest.root / "runs"
    arms = plan_arms(manifest, versions, fold, config)
    results: list[list[RunResult]] = [[] for _ in arms]
    for seed in range(seeds):
        for k, arm in enumerate(arms):
            results[k].append(fit_run(arm, seed, config, runs, reporter))
    origins = {r.record.get("initial_weights") for found in results for r in found}
    if len(origins) > 1:
        raise UsageError(
            "weights", f"the runs began from different weights ({', '.join(sorted(map(str, origins)))}): no comparison"
        )
    return Experiment(runs, arms, tuple(arm_folder(runs, arm, config) for arm in arms), tuple(map(tuple, results)))
