"""``train tune``: Optuna over the configuration, with the same effort for each version that is to be compared."""

from __future__ import annotations

import dataclasses
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState

from curate.errors import CarpusError, LockedError, UsageError
from curate.files import write_atomically
from train.arms import Arm
from train.config import Config
from train.progress import Reporter
from train.runs import RunFolder
from train.search.space import Space
from train.search.trial import last_step, run_trial

INNER, LOOKS = 0.2, 5
"""Share of the training patients that trials are scored on, and looks a trial, where the configuration says nothing."""
_AGAIN = "interrupted"  # numbers of trials that were run again by a later call


@dataclass(frozen=True)
class Tuned:
    """What became of one version's study.

    Attributes:
        arm: whose. trials, pruned, failed: how many, those pruned and failed among them.
        steps: that all trials took together. dice: the best trial's inner Dice, ``None`` where every one failed.
        config: the best trial's configuration. file: where it lies, as ``train --config`` reads it.
    """

    arm: Arm
    trials: int
    pruned: int
    failed: int
    steps: int
    dice: float | None
    config: Config | None
    file: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        plain = {key: getattr(self, key) for key in ("trials", "pruned", "failed", "steps", "dice")}
        return {"version": self.arm.version.name, **plain, "file": str(self.file) if self.file else None}


def ready(config: Config) -> Config:
    """The configuration of trials: with an inner split to be scored on, and looks at it.

    Raises:
        UsageError: it asks for several devices.
    """
    if config.devices * config.nodes > 1:
        raise UsageError("devices", "trials run on one device each")
    looks = config.evaluate_every or max(1, config.steps // LOOKS)
    return dataclasses.replace(config, inner=config.inner or INNER, evaluate_every=looks)


class Side:
    """The study of one version.

    Args:
        arm: its films. asked: configuration of which the space changes a part.
        storage: of Optuna's. runs: folder of all runs; trials are kept in its ``tune``.
    """

    def __init__(self, arm: Arm, asked: Config, space: Space, storage: optuna.storages.BaseStorage, runs: Path):
        self.arm, self.asked, self.base, self.space, self.runs = arm, asked, ready(asked), space, runs
        digest = self.base.digest(arm.version.digest, arm.split_digest, str(arm.fold), space.digest())
        self.name = f"{arm.version.name}-{digest}"
        self.study = optuna.create_study(
            study_name=self.name, storage=storage, direction="maximize", load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )  # fmt: skip
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # its process is gone, for we hold the lock; the same values go on from its checkpoint
            self.study.set_user_attr(_AGAIN, [*self.study.user_attrs.get(_AGAIN, []), trial.number])
            self.study.tell(trial.number, state=TrialState.FAIL)
            if trial.params:
                self.study.enqueue_trial(trial.params)

    @property
    def done(self) -> list[FrozenTrial]:
        """The trials that ended, those left out that an interruption ended."""
        over = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        again = set(self.study.user_attrs.get(_AGAIN, []))
        return [t for t in self.study.get_trials(deepcopy=False, states=over) if t.number not in again]

    def run_one(self, reporter: Reporter) -> None:
        """One more trial. What it proposes follows from the trials before it alone, so that a resumed study goes on as
        an undisturbed one."""
        self.study.sampler = optuna.samplers.TPESampler(seed=len(self.done), n_startup_trials=5)
        trial = self.study.ask()
        name = f"{self.arm.version.name} trial {len(self.done) + 1}"
        folder = None
        try:
            config = self.space.suggest(self.base, trial)
            folder = RunFolder(self.runs / "tune" / self.name / config.digest())
            trial.set_user_attr("folder", folder.path.name)
            score = run_trial(trial, self.arm, config, folder, self.runs / "cache", name, reporter)
        except optuna.TrialPruned as pruned:
            self._end(trial, folder, TrialState.PRUNED)
            reporter.line(f"{name}: pruned, {pruned}")
        except CarpusError as error:
            self._end(trial, folder, TrialState.FAIL, why=str(error))
            reporter.line(f"{name}: failed: {error}")
        else:
            self._end(trial, folder, None, score)
            reporter.line(f"{name}: inner Dice {score:.4f}")

    def _end(
        self, trial: optuna.Trial, folder: RunFolder | None, state: TrialState | None, score: float | None = None,
        why: str = "",
    ) -> None:
        trial.set_user_attr("steps", last_step(folder.log) if folder else 0)
        if folder is not None:
            folder.resume.unlink(missing_ok=True)
        if why:
            trial.set_user_attr("why", why)
        self.study.tell(trial, score, state=state)

    def result(self, out: Path) -> Tuned:
        """What was found so far; the best configuration is written to ``best-VERSION.yaml`` in a folder."""
        done = self.done
        count = {state: sum(t.state == state for t in done) for state in (TrialState.PRUNED, TrialState.FAIL)}
        steps = sum(t.user_attrs.get("steps", 0) for t in done)
        whole = [t for t in done if t.state == TrialState.COMPLETE]
        facts = (self.arm, len(done), count[TrialState.PRUNED], count[TrialState.FAIL], steps)
        if not whole:
            return Tuned(*facts, None, None, None)
        best = max(whole, key=lambda t: (t.value, -t.number))
        config = self.space.suggest(self.asked, optuna.trial.FixedTrial(best.params))  # trained on all patients
        file = out / f"best-{self.arm.version.name}.yaml"
        about = (
            f"# Best of {len(done)} trials of {self.base.steps} steps on {self.arm.version.name}, fold "
            f"{self.arm.fold} left out: inner Dice {best.value:.4f}\n"
            f"# on {len(self.arm.inner)} films of the training patients. The best of many flatters itself; the scored "
            "fold decides.\n"
        )
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(file, (about + config.to_yaml()).encode())
        return Tuned(*facts, best.value, config, file)


def tune(
    arms: Sequence[Arm], asked: Config, space: Space, *, trials: int, timeout: float, storage: Path, runs: Path,
    out: Path, reporter: Reporter,
) -> list[Tuned]:
    """Tune a configuration for each version with the same budget: as many trials of as many steps, in turns.

    Trials are scored on the inner split of the training patients; the films of the scored fold are never read.

    Args:
        arms: one or two, planned with the inner share of ``ready(asked)``. asked: the configuration to be tuned.
        trials: a version, those of earlier calls included. timeout: seconds after which no round begins; 0: none.
        storage: an SQLite file. runs: folder of all runs. out: where the best configurations go.

    Raises:
        CarpusError: the file is no such storage, another process uses it, or no trial of a version ended well.
    """
    if trials < 1:
        raise UsageError("--trials", f"{trials} is not at least 1")
    since = time.monotonic()
    with _storage(storage) as opened:
        sides = [Side(arm, asked, space, opened, runs) for arm in arms]
        for number in range(trials):
            if timeout and time.monotonic() - since >= timeout:
                reporter.line(f"time is up after {number} of {trials} trials")
                break
            for side in sides:  # in turns, so that time that is up is up for both
                if len(side.done) <= number:
                    side.run_one(reporter)
        found = [side.result(out) for side in sides]
        for side, one in zip(sides, found, strict=True):
            if one.file is None:
                why = next((t.user_attrs["why"] for t in side.done if "why" in t.user_attrs), "none was finished")
                raise CarpusError(one.arm.version.name, f"no trial ended well; the first: {why}")
    return found


@contextmanager
def _storage(path: Path) -> Iterator[optuna.storages.BaseStorage]:
    """Optuna's storage in a file that no other process uses meanwhile."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{path}.lock", timeout=0), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                opened = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")
            except (sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
                raise UsageError(path, f"is no storage of Optuna's: {str(error).splitlines()[0][:120]}") from error
            try:
                yield opened
            finally:
                opened.remove_session()
                opened.engine.dispose()
    except Timeout:
        raise LockedError(path, "another process is tuning with it") from None
    finally:
        optuna.logging.set_verbosity(level)
