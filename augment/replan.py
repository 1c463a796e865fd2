"""The augmentations of one version, planned anew on another: after a new split has moved the folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

from augment.children import Job
from augment.make import Outcome, Progress, make
from augment.plan import PLANNERS
from augment.select import Selection
from curate.errors import UsageError
from curate.manifest import Manifest


def job_of(step: Mapping[str, Any]) -> Job:
    """The operator that a version's step tells of; the inverse of ``Job.to_dict``."""
    kind = PLANNERS[step["name"]]
    hints = get_type_hints(kind) | get_type_hints(Selection)

    def plain(options: Mapping[str, Any]) -> dict[str, Any]:
        return {k: tuple(v) if isinstance(v, list) and "tuple" in str(hints[k]) else v for k, v in options.items()}

    planner = kind(**plain(step.get("options", {})))
    return Job(planner, step.get("n"), Selection(**plain(step.get("selection", {}))), step.get("seed"))


def replan(
    manifest: Manifest,
    version: str,
    onto: str | None = None,
    workers: int = 1,
    progress: Progress = lambda items, total: items,
) -> list[Outcome]:
    """Run the operators that led to one version, oldest first, on another; each gives a new version.

    Args:
        version: whose steps are taken, with their options, selections and seeds.
        onto: version to start from; the newest by default.

    Raises:
        UsageError: no step of that version was an augmentation.
    """
    manifest = Manifest.open(manifest.path)
    steps = [v.step for v in reversed(manifest.version(version).chain()) if v.step["name"] in (*PLANNERS, "run")]
    if not steps:
        raise UsageError(version, "was made by no augmentation")
    source = manifest.version(onto).name
    outcomes = []
    for step in steps:
        jobs = [job_of(s) for s in step["steps"]] if step["name"] == "run" else [job_of(step)]
        virtual = bool(step.get("virtual"))
        outcomes.append(
            make(manifest, jobs, step.get("seed", 0), source, virtual=virtual, workers=workers, progress=progress)
        )
        source = outcomes[-1].version.name
    return outcomes
