"""What ``train tune`` may change: options and their ranges, from the ``tune:`` section of the configuration."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import UsageError
from train.config import Config, from_dict, read_file

#: What is tuned where the file names nothing.
DEFAULT: dict[str, Any] = {
    "lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "weight_decay": {"low": 1e-4, "high": 1e-1, "log": True},
    "encoder_lr": [0.1, 0.3, 1.0],
    "loss": ["bce+dice", "focal+dice", "bce+tversky"],
    "augment": ["none", "flip", "light", "strong"],
}
_FIXED = ("steps", "inner", "evaluate_every", "patience", "devices", "nodes")
"""Options that make up the budget or the way a trial is scored: the same for all trials."""


@dataclass(frozen=True)
class Knob:
    """One option: either a range from ``low`` to ``high``, or ``choices``."""

    name: str
    whole: bool = False
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[str, ...] = ()

    def suggest(self, trial: Any) -> Any:
        """A value from one of Optuna's trials."""
        if self.choices:  # as JSON, for Optuna stores plain values only and an augmentation may be a list
            return json.loads(trial.suggest_categorical(self.name, self.choices))
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Space:
    """The knobs, in the order of their names."""

    knobs: tuple[Knob, ...]

    def suggest(self, base: Config, trial: Any) -> Config:
        """The configuration of a trial.

        Raises:
            UsageError: values that do not go together.
        """
        return dataclasses.replace(base, **{knob.name: knob.suggest(trial) for knob in self.knobs})

    def digest(self) -> str:
        """Eight hex digits over all knobs."""
        return hashlib.sha256(repr(self.knobs).encode()).hexdigest()[:8]


def read_space(source: str | Path, base: Config) -> Space:
    """The space of a configuration file: its ``tune:`` section, or :data:`DEFAULT` where it has none.

    Each entry is ``option: [choices]`` or ``option: {low: , high: , log: false}``.

    Raises:
        UsageError: an unknown option or one that is part of the budget, a range or a choice that cannot be.
    """
    plain = read_file(source).get("tune") or DEFAULT
    if not isinstance(plain, Mapping):
        raise UsageError("tune", "is no list of `option: range` lines")
    return Space(tuple(_knob(name, plain[name], base) for name in sorted(plain)))


def _knob(name: str, entry: Any, base: Config) -> Knob:
    where = f"tune: {name}"
    if name in _FIXED:
        raise UsageError(where, "is part of the budget, which is the same for all trials")
    if isinstance(entry, list) and entry:
        values = [getattr(from_dict({**base.to_dict(), name: value}, where), name) for value in entry]
        return Knob(name, choices=tuple(json.dumps(value) for value in values))
    if not isinstance(entry, Mapping) or not {"low", "high"} <= set(entry) <= {"low", "high", "log"}:
        raise UsageError(where, f"{entry!r} is neither a list of choices nor {{low: , high: , log: }}")
    ends = [getattr(from_dict({**base.to_dict(), name: entry[end]}, where), name) for end in ("low", "high")]
    numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in ends)
    log = bool(entry.get("log", False))
    if not numbers or not ends[0] < ends[1] or (log and ends[0] <= 0):
        raise UsageError(where, f"{entry['low']!r} to {entry['high']!r} is no range")
    return Knob(name, isinstance(getattr(base, name), int), float(ends[0]), float(ends[1]), log)
