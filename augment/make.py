"""From a planner to a named version: plan, make the files, commit; interrupted work resumes, twice is a no-op."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from augment.children import Job, plan_children
from augment.journal import Journal
from augment.materialise import Made, file_names, make_files
from augment.plan.base import Planner
from augment.select import Selection
from curate.errors import CarpusError, UsageError
from curate.manifest import Manifest, SampleRow, Version
from curate.manifest.commit import check_name, commit_version, same_step, writing

Progress = Callable[[Iterable[Made], int], Iterable[Made]]


@dataclass(frozen=True)
class Outcome:
    """What an augmentation did.

    Attributes:
        version: the new one, or the one that this very step had made before.
        made, resumed: children made now, and found finished from an interrupted run.
        existed: the step had been done; nothing was made.
        warnings: what a user should know of the plan.
        left, slivers: annotations that left their frame, and clipped parts dropped as slivers.
    """

    version: Version
    made: int
    resumed: int
    existed: bool
    warnings: tuple[str, ...] = ()
    left: int = 0
    slivers: int = 0


def make(
    manifest: Manifest,
    jobs: Sequence[Job],
    seed: int = 0,
    source: str | None = None,
    name: str | None = None,
    virtual: bool = False,
    workers: int = 1,
    progress: Progress = lambda items, total: items,
    tell: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Run one or several operators on a version and name the result as a new version.

    Args:
        jobs: operators with their options; the parents of all are drawn from ``source``.
        seed: of the first job; the k-th job after it uses ``seed + k``, unless it has its own.
        source: version to start from; the newest by default.
        name: of the new version; v1, v2, ... by default.
        virtual: no files; whoever reads a child renders it from its parents.
        workers: processes; any number gives the same bytes.
        progress: wraps the iteration over finished children, to show it.
        tell: told what a user should know of the plan, before the files are made.

    Raises:
        CarpusError: the manifest is as it was, and what was finished is kept for the next try.
    """
    slow = next((j.planner.operator for j in jobs if getattr(j.planner, "always_files", False)), None)
    if virtual and slow:
        raise UsageError("--virtual", f"children of {slow} always have files: they are too slow to render at reading")
    step = _step(jobs, seed, virtual)
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)  # as it is now that nobody else writes
        before = _done_before(manifest, step, source, name)
        if before is not None:
            Journal(manifest.root, before.name, step).close()  # it may have outlived a disk that would not remove it
            return Outcome(before, 0, 0, existed=True)
        parent = manifest.version(source)
        target = name or manifest.next_name()
        check_name(target)
        if target in manifest.head["versions"]:
            raise UsageError("--name", f"version {target} exists and versions never change")
        warnings: list[str] = []

        def warn(text: str) -> None:
            warnings.append(text)
            tell(text)

        rows = plan_children(jobs, parent, seed, warn)
        if virtual:
            finished, resumed = rows, 0
        else:
            finished, resumed = _files(manifest, parent, target, step, rows, workers, progress)
        version = commit_version(manifest.root, name=target, parent=parent, step=step, put=finished)
        Journal(manifest.root, target, step).close()
    dropped = [r.dropped or {} for r in finished]
    return Outcome(
        version,
        len(rows) - resumed,
        resumed,
        existed=False,
        warnings=tuple(warnings),
        left=sum(sum(d.get("left", {}).values()) for d in dropped),
        slivers=sum(sum(d.get("slivers", {}).values()) for d in dropped),
    )


def make_version(
    manifest: Manifest, planner: Planner, n: int | None = None, seed: int = 0, selection: Selection | None = None,
    source: str | None = None, name: str | None = None, virtual: bool = False, workers: int = 1,
    progress: Progress = lambda items, total: items,
) -> Outcome:
    """One operator's ``make``: see there."""
    job = Job(planner, n, selection or Selection())
    return make(manifest, [job], seed, source, name, virtual, workers, progress)


def _step(jobs: Sequence[Job], seed: int, virtual: bool) -> dict[str, Any]:
    """What the new version's step says: the operator, or ``run`` and the list of them."""
    if not jobs:
        raise UsageError("run", "has no operators")
    plain = [job.to_dict() for job in jobs]
    step = {"seed": seed} | plain[0] if len(plain) == 1 else {"name": "run", "seed": seed, "steps": plain}
    return {"name": step.pop("name"), **step} | ({"virtual": True} if virtual else {})


def _done_before(manifest: Manifest, step: dict, source: str | None, name: str | None) -> Version | None:
    """The version that this very step made: from the given source, or, with none given, as the newest one."""
    if source is not None:
        found = same_step(manifest, manifest.version(source), step)
    else:
        newest = manifest.version()
        found = newest if dict(newest.step) == step else None
    return found if found is not None and name in (None, found.name) else None


def _files(
    manifest: Manifest, parent: Version, target: str, step: dict, rows: Sequence[SampleRow], workers: int,
    progress: Progress,
) -> tuple[list[SampleRow], int]:
    """Make the files that are not there yet; returns the rows with their files, and how many had been finished."""
    journal = Journal(manifest.root, target, step)
    wanted = {r.id: r for r in rows}
    done = {i: Made(**entry) for i, entry in journal.finished().items() if i in wanted}
    resumed = len(done)
    missing = [r for r in rows if r.id not in done]
    _check_room(manifest, missing)
    names = [file_names(target, r.id) for r in missing]
    for made in progress(make_files(missing, names, parent, workers), len(missing)):
        journal.note(made.to_dict())
        done[made.id] = made
    keep = {m.image for m in done.values()} | {m.labels for m in done.values()}
    folder = manifest.root / "derived" / target
    for path in sorted(folder.rglob("*")):  # what an earlier, other plan for this name had left
        if path.is_file() and path.relative_to(manifest.root).as_posix() not in keep:
            with contextlib.suppress(OSError):
                path.unlink()
    return [made.into(wanted[i]) for i, made in done.items()], resumed


def _check_room(manifest: Manifest, rows: Sequence[SampleRow]) -> None:
    """Refuse work that plainly cannot fit on the disk before the first file is made."""
    free = shutil.disk_usage(manifest.root).free
    least = sum(r.width * r.height for r in rows) // 8  # films deflate to a quarter or a third of a byte a pixel
    if least > free:
        raise CarpusError(manifest.root, f"{len(rows)} samples need at least {least >> 20} MiB, {free >> 20} are free")
