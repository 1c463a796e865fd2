"""Steps that make a version out of what is there: dropping samples, and splitting the patients anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow.compute as pc

from curate.errors import UsageError
from curate.files import digest_bytes
from curate.manifest import EVALUATION_ONLY, Manifest, Version
from curate.manifest.commit import commit_version, next_split_name, same_step, writing
from curate.manifest.splits import TEST, make_split
from curate.manifest.strata import strata_of


@dataclass(frozen=True)
class Step:
    """What a step did: the version, whether it had existed before, and the samples it concerned."""

    version: Version
    existed: bool
    samples: tuple[str, ...] = ()


def plain(step: dict[str, Any]) -> dict[str, Any]:
    """A step as it reads back from the head: no tuples, no numbers of other libraries."""
    return orjson.loads(orjson.dumps(step))


def drop(
    manifest: Manifest,
    *,
    flag_names: Sequence[str] = (),
    samples: Sequence[str] = (),
    also_evaluation: bool = False,
    source: str | None = None,
    name: str | None = None,
    reviewed: bool = False,
    flags: Mapping[str, Sequence[str]] | None = None,
) -> Step:
    """A version without some samples, and without the children made from them.

    By default originals leave training only: they stay evaluation films, so that versions before and after can be
    compared. ``also_evaluation`` takes them out altogether, and with them comparability.

    Args:
        flag_names: drop samples that have one of these flags or tags.
        samples: drop these ids as well.
        source: version to start from; the newest by default.
        reviewed: only flags that a person accepted; tags, on which nobody decides, do not count.
        flags: sample id -> names of its flags; by default what the detectors said, and then everyday words such as
            ``ring`` are understood.

    Raises:
        UsageError: nothing to drop, a sample that the version doesn't have, or a word that is no flag and no tag.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        parent = manifest.version(source)
        if flags is None and flag_names:
            from curate.flagged import flags_by_sample, flags_named  # brings in every detector

            flag_names, flags = flags_named(parent, flag_names), flags_by_sample(parent, reviewed)
        asked: dict[str, Any] = {"name": "drop"}
        asked |= {k: v for k, v in (("flags", sorted(flag_names)), ("ids", sorted(samples))) if v}
        if also_evaluation:
            asked["also_evaluation"] = True
        if reviewed:
            asked["reviewed"] = True
        asked_for = {i for i, names in (flags or {}).items() if {*names} & {*flag_names}} | {*samples}
        rows = parent.pick(asked_for | (set() if reviewed else _tagged(parent, {*flag_names})))
        for sample in samples:
            if sample not in rows:
                raise UsageError(sample, f"is no sample of {parent.name}")
        wanted = set(rows)
        films = {i for i in wanted if rows[i].is_original}
        gone = parent.descendants(wanted) | (wanted - films)
        gone |= {i for i in films if also_evaluation}
        held = sorted(i for i in films - gone if EVALUATION_ONLY not in rows[i].tags)
        if not gone and not held:
            if source is None and dict(parent.step).items() >= plain(asked).items():
                return Step(parent, existed=True)
            what = " or ".join([*flag_names, *samples])
            raise UsageError(parent.name, f"has no sample to drop for {what}: no version is made")
        step = plain(asked | {"dropped": len(films), "children": len(gone - films)})
        if reviewed:  # other decisions may drop as many other films: that is another step
            step["films"] = digest_bytes("\n".join(sorted(wanted)).encode())
        existing = same_step(manifest, parent, step)
        if existing is not None:
            return Step(existing, existed=True)
        version = commit_version(
            manifest.root,
            name=name or manifest.next_name(),
            parent=parent,
            step=step,
            put=[rows[i].with_tags(EVALUATION_ONLY) for i in held],
            drop=sorted(gone),
        )
    return Step(version, existed=False, samples=tuple(sorted(films)))


def _tagged(version: Version, names: set[str]) -> set[str]:
    """Samples that have one of these tags."""
    table = version.table(["tags"])
    table = table.filter(pc.greater(pc.list_value_length(table["tags"]), 0))
    pairs = zip(table["id"].to_pylist(), table["tags"].to_pylist(), strict=True)
    return {sample for sample, tags in pairs if names.intersection(tags)}


def descends(version: Version, sample: str, roots: set[str]) -> bool:
    """Whether a sample is, or was made from, one of some others."""
    seen, todo = set(), [sample]
    while todo:
        here = todo.pop()
        if here in roots:
            return True
        if here not in seen:
            seen.add(here)
            todo += version.known[here].parents if here in version.known else ()
    return False


def resplit(
    manifest: Manifest,
    folds: int,
    test: float = 0.0,
    seed: int = 0,
    source: str | None = None,
    name: str | None = None,
    replan: bool = False,
) -> Step:
    """A new named split by patient, stratified by sex, age and rotation where known, and a version that uses it.

    Films that were delivered as test stay test.

    Args:
        replan: leave the version's children out, to be planned anew on the result (``augment replan``).

    Raises:
        UsageError: the version has children, whose parents' folds would move; or folds that cannot be filled.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        parent = manifest.version(source)
        children = [r.id for r in parent.samples if not r.is_original]
        step = plain({"name": "split", "folds": folds, "test": test, "seed": seed})
        existing = same_step(manifest, parent, step)
        if existing is None and source is None and dict(parent.step) == step:
            existing = parent
        if existing is not None:
            return Step(existing, existed=True)
        if children and not replan:
            raise UsageError(
                parent.name,
                f"has {len(children)} derived samples, planned for split {parent.split}; split a version before them, "
                "or leave them out with --replan",
            )
        frozen = frozenset(g for g, f in parent.fold_of.items() if f == TEST)
        strata = strata_of(parent.samples)
        fold_of = make_split(strata, folds, test, seed, frozen & set(strata))
        version = commit_version(
            manifest.root,
            name=name or manifest.next_name(),
            parent=parent,
            step=step,
            drop=children,
            new_split=(next_split_name(manifest), fold_of, {"folds": folds, "test": test, "seed": seed}),
        )
    return Step(version, existed=False)
