"""From a planner to a named version: plan, make the files, commit. Interrupted work resumes; asking twice is a no-op."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from augment.journal import Journal
from augment.materialise import Made, file_names, make_files
from augment.plan.base import Planner, Pool, options_of
from augment.select import Selection, select_parents
from curate.errors import CarpusError, UsageError
from curate.manifest import Manifest, SampleRow, Version
from curate.manifest.commit import commit_version, same_step, writing
from curate.sample.read import SampleReader
from curate.sample.recipe import Recipe


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


def child_row(recipe: Recipe, parents: dict[str, SampleRow]) -> SampleRow:
    """The row of a child before it has files: its id from its digest, group and fold from its parents."""
    rows = [parents[p] for p in recipe.parents]
    digest = recipe.digest({r.id: r.digest for r in rows})
    sides = {r.side for r in rows}
    width, height = recipe.output_size
    groups = sorted({g for r in rows for g in ([r.group] if r.is_original else r.group.split("+"))})
    return SampleRow(
        id=f"{recipe.operator}/{digest[7:19]}",
        image=None,
        labels=None,
        group="+".join(groups),
        fold=rows[0].fold,
        split="train",
        side=sides.pop() if len(sides) == 1 else None,
        width=width,
        height=height,
        parents=tuple(sorted(r.id for r in rows)),
        recipe=recipe.to_dict(),
        digest=digest,
    )


def plan_children(
    planner: Planner, source: Version, n: int, seed: int, selection: Selection, warn: Callable[[str], None]
) -> list[SampleRow]:
    """The rows of up to n children, each once, in the order in which films are best decoded.

    Raises:
        UsageError: n is not positive, no parent is left, or the operator finds nothing to do.
    """
    if n < 1:
        raise UsageError("--n", f"{n} is not a number of samples to make")
    if not 0 <= seed < 1 << 63:
        raise UsageError("--seed", f"{seed} is not in [0, 2^63)")
    reader = SampleReader(source)
    pool = Pool(select_parents(source, selection, reader), reader.annotations, warn)
    parents = source.by_id
    rows: dict[str, SampleRow] = {}
    for recipe in planner.plan(pool, n, seed):
        row = child_row(recipe, parents)
        rows.setdefault(row.id, row)
    rows = {i: r for i, r in rows.items() if i not in parents}
    if not rows:
        raise UsageError(planner.operator, "finds nothing to make that the version does not hold already")
    if len(rows) < n:
        warn(f"{len(rows)} different samples instead of {n}: this operator gives no more from these parents")
    return list(rows.values())


def make_version(
    manifest: Manifest,
    planner: Planner,
    n: int,
    seed: int = 0,
    selection: Selection | None = None,
    source: str | None = None,
    name: str | None = None,
    virtual: bool = False,
    workers: int = 1,
    progress: Callable[[Iterable[Made], int], Iterable[Made]] = lambda items, total: items,
) -> Outcome:
    """Plan n children of a version and name the result as a new version.

    Args:
        source: version to start from; the newest by default.
        name: of the new version; v1, v2, ... by default.
        virtual: no files; whoever reads a child renders it from its parents.
        workers: processes; any number gives the same bytes.
        progress: wraps the iteration over finished children, to show it.

    Raises:
        CarpusError: the manifest is as it was, and what was finished is kept for the next try.
    """
    selection = selection or Selection()
    step: dict[str, Any] = {"name": planner.operator, "n": n, "seed": seed, "operator_version": planner.version}
    step |= {k: v for k, v in (("options", options_of(planner)), ("selection", selection.to_dict())) if v}
    if virtual:
        step["virtual"] = True
    step = orjson.loads(orjson.dumps(step))
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)  # as it is now that nobody else writes
        before = _done_before(manifest, step, source, name)
        if before is not None:
            return Outcome(before, 0, 0, existed=True)
        parent = manifest.version(source)
        target = name or manifest.next_name()
        if target in manifest.head["versions"]:
            raise UsageError("--name", f"version {target} exists and versions never change")
        warnings: list[str] = []
        rows = plan_children(planner, parent, n, seed, selection, warnings.append)
        if virtual:
            finished, resumed = rows, 0
        else:
            finished, resumed = _files(manifest, parent, target, step, rows, workers, progress)
        version = commit_version(manifest.root, name=target, parent=parent, step=step, put=finished)
        Journal(manifest.root, target, step).close()
    dropped = [r.dropped or {} for r in finished]
    return Outcome(
        version,
        len(rows) - resumed if not virtual else len(rows),
        resumed,
        existed=False,
        warnings=tuple(warnings),
        left=sum(sum(d.get("left", {}).values()) for d in dropped),
        slivers=sum(sum(d.get("slivers", {}).values()) for d in dropped),
    )


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
    progress: Callable[[Iterable[Made], int], Iterable[Made]],
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
