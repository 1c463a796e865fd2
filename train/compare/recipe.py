"""Whether two sets of runs were trained and scored alike, but for their data; the difference is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curate.errors import CarpusError
from train.compare.arm import Arm, only_in, same_truth
from train.compare.runs import Run

#: Settings of a config that change no result: where things lie and how fast they are read. The names of common tools.
INDIFFERENT = frozenset(
    {
        "seed", "seeds", "fold", "folds", "version", "manifest", "against", "data", "runs", "out", "output", "name",
        "workers", "num_workers", "cache_gb", "cache_mb", "checkpoint_every", "predictions", "device", "accelerator",
    }
)  # fmt: skip
#: What ``run.json`` may state beside ``config`` and must be the same in both arms.
_STATED = ("split_digest", "initial_weights", "samples_per_step", "nsd_tolerance", "nsd_tolerance_mm")
_MOST = 4


def recipe_of(run: Run) -> dict[str, Any]:
    """Everything but the data that could change a run's result, flat: ``{"config.lr": 0.001, ...}``."""
    flat = _flatten("config", run.record.get("config") or {})
    return flat | {key: run.record[key] for key in _STATED if run.record.get(key) is not None}


def check_alike(a: Arm, b: Arm) -> list[str]:
    """Refuse two arms that cannot be compared; return what else a reader should know.

    Raises:
        CarpusError: other classes, other evaluation films, patients or labels, another recipe, other optimiser
            steps; names the difference.
    """
    where = f"{a.path} and {b.path}"
    if set(a.classes) != set(b.classes):
        raise CarpusError(where, f"class lists differ: {only_in(a.classes, b.classes)}")
    if a.images != b.images:
        raise CarpusError(where, f"evaluation films differ: {only_in(a.images, b.images)}")
    first, second = _by_films(a), _by_films(b)
    if first.keys() != second.keys():
        raise CarpusError(where, "the same films, but divided into other folds")
    for films, run in second.items():
        same_truth(run, first[films])
    _same_recipe(where, a.runs[0], (*a.runs[1:], *b.runs))
    return _steps(where, a, b)


def _by_films(arm: Arm) -> dict[tuple[str, ...], Run]:
    return {run.images: run for run in reversed(arm.runs)}


def _same_recipe(where: str, first: Run, others: tuple[Run, ...]) -> None:
    """Every run of both arms against the first; what only one of two tools records is not a difference."""
    wanted = recipe_of(first)
    for run in others:
        found = recipe_of(run)
        if not found or not wanted:
            continue
        keys = [k for k in sorted(wanted.keys() | found.keys()) if wanted.get(k) != found.get(k)]
        keys = [k for k in keys if k.startswith("config.") or (k in wanted and k in found)]
        if keys:
            told = ", ".join(f"{k} {wanted.get(k)!r} and {found.get(k)!r}" for k in keys[:_MOST])
            more = f" and {len(keys) - _MOST} more" if len(keys) > _MOST else ""
            raise CarpusError(
                where, f"not the same recipe in {first.path.name} and {run.path.name}: {told}{more}; "
                "a difference in scores could not be laid to the data"
            )  # fmt: skip


def _steps(where: str, a: Arm, b: Arm) -> list[str]:
    steps = [{str(r.record["steps"]) for r in arm.runs if r.record.get("steps") is not None} for arm in (a, b)]
    if not all(steps) or steps[0] == steps[1]:
        return []
    told = " and ".join(", ".join(sorted(s, key=lambda n: (len(n), n))) for s in steps)
    if (a.record.get("config") or {}).get("patience"):
        return [f"early stop gave the arms other numbers of optimiser steps: {told}"]
    raise CarpusError(where, f"optimiser steps differ: {told}")


def _flatten(prefix: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        flat: dict[str, Any] = {}
        for key, inner in value.items():
            if key not in INDIFFERENT:
                flat |= _flatten(f"{prefix}.{key}", inner)
        return flat
    return {prefix: value}
