"""Joining what two people made from one version: their versions are taken over, then both sides' changes become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from curate.adopt import adopt
from curate.errors import UsageError
from curate.files import write_atomically
from curate.manifest import Manifest, SampleRow, Version
from curate.manifest.commit import commit_version, next_split_name, same_step, writing
from curate.manifest.head import head_bytes
from curate.steps import descends, plain


@dataclass(frozen=True)
class Joined:
    """What a join did: the version, whether it had been there, what each side brought, what was taken over (theirs ->
    our name)."""

    version: Version
    existed: bool
    ours: int = 0
    theirs: int = 0
    taken: Mapping[str, str] = field(default_factory=dict)


def merge(
    manifest: Manifest, theirs: Manifest | str, ours: str | None = None, name: str | None = None,
    prefer: str | None = None,
) -> Joined:
    """A version that has the changes of two, since the nearest version that both were made from; one write of the head.

    A sample changed on one side is taken from there; changed alike on both, once. Tags are united. Children of films
    that the other side took out of training go with them.

    Args:
        theirs: a version of this manifest; or another copy's manifest, whose versions are taken over first and whose
            newest is joined.
        ours: which version to join into; the newest by default. prefer: whose, where both changed one sample
            (``"ours"`` or ``"theirs"``); without it clashes are refused and named.

    Raises:
        UsageError: nothing in common, or clashes, naming them; the manifest is as it was.
        ManifestError: see ``adopt``.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        a = manifest.version(ours)
        taken: dict[str, str] = {}
        if isinstance(theirs, Manifest):
            done = adopt(manifest, theirs)
            taken = {t: o for t, o in done.versions.items() if o not in manifest.head["versions"]}
            manifest, theirs = Manifest(manifest.path, done.head), done.newest
            a = manifest.version(a.name)
        joined = _join(manifest, a, manifest.version(theirs), name, prefer)
        if joined.existed and taken:
            write_atomically(manifest.path, head_bytes(manifest.head), durable=True)
    return replace(joined, taken=taken)


def _join(manifest: Manifest, a: Version, b: Version, name: str | None, prefer: str | None) -> Joined:
    before = [ancestry(v) for v in (a, b)]
    common = before[0] & before[1]
    if not common:
        raise UsageError(b.name, f"and {a.name} were not made from one version")
    base = manifest.version([n for n in manifest.head["versions"] if n in common][-1])
    if base.name in (a.name, b.name):
        return Joined(a if base.name == b.name else b, existed=True)
    step = plain({"name": "merge", "other": b.name, "base": base.name} | ({"prefer": prefer} if prefer else {}))
    existing = same_step(manifest, a, step)
    if existing is not None:
        return Joined(existing, existed=True)
    put, drop = _changes(base, b, a, prefer)
    split, fold_of = _split(manifest, base, a, b)
    rows = {**{i: r for i, r in a.by_id.items() if i not in drop}, **{r.id: r for r in put}}
    _refuse_crossing(rows.values(), fold_of)
    version = commit_version(
        manifest.root, name=name or manifest.next_name(), parent=a, step=step, put=put, drop=sorted(drop),
        new_split=split, head=manifest.head,
    )  # fmt: skip
    return Joined(version, False, len(_since(base, a)), len(_since(base, b)))


def ancestry(version: Version) -> set[str]:
    """Names of a version and of all that it was made from, through merges as well."""
    found: set[str] = set()
    left = [version.name]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            entry = version.manifest.head["versions"][name]
            other = entry["step"].get("other") if entry["step"]["name"] == "merge" else None
            left += [n for n in (entry["parent"], other) if n is not None]
    return found


def _since(base: Version, version: Version) -> dict[str, SampleRow | None]:
    """id -> row that a version has otherwise than its base, ``None`` where it has none."""
    found: dict[str, SampleRow | None] = {i: None for i in base.by_id if i not in version.by_id}
    found |= {i: r for i, r in version.by_id.items() if _content(r) != _content(base.by_id.get(i))}
    return found


def _content(row: SampleRow | None) -> SampleRow | None:
    """A row without its fold, which is the split's affair."""
    return row if row is None or not row.is_original else replace(row, fold=None, split="train")


def _changes(base: Version, b: Version, a: Version, prefer: str | None) -> tuple[list[SampleRow], set[str]]:
    """What to put into and take from ``a`` so that it has the changes of ``b`` as well."""
    mine, others = _since(base, a), _since(base, b)
    put: dict[str, SampleRow] = {}
    drop: set[str] = set()
    clashes = []
    for name, row in others.items():
        own = mine.get(name, base.by_id.get(name))
        if name in mine and _content(own) != _content(row):
            united = _united(base.by_id.get(name), own, row)
            if united is not None:
                row = united
            elif prefer == "ours":
                continue
            elif prefer is None:
                clashes.append(name)
                continue
        if row is None:
            drop.add(name)
        else:
            put[name] = row
    if clashes:
        shown = ", ".join(clashes[:8]) + (f" and {len(clashes) - 8} more" if len(clashes) > 8 else "")
        raise UsageError(b.name, f"and {a.name} changed the same samples differently: {shown}; --prefer ours or theirs")
    lost = {i for side in (a, b) for i, r in side.by_id.items() if "evaluation-only" in r.tags}
    lost |= {i for i in base.by_id if i not in a.by_id or i not in b.by_id}
    drop |= {i for i, r in a.by_id.items() if not r.is_original and descends(a, i, lost)} - put.keys()
    put = {i: r for i, r in put.items() if r.is_original or not descends(b, i, lost)}
    return sorted(put.values(), key=lambda r: r.id), {i for i in drop if i in a.by_id}


def _united(base: SampleRow | None, own: SampleRow | None, row: SampleRow | None) -> SampleRow | None:
    """Both sides' row when they differ in tags alone."""
    if base is None or own is None or row is None:
        return None
    if _content(replace(own, tags=())) != _content(replace(row, tags=())):
        return None
    gone = {*base.tags} - ({*own.tags} & {*row.tags})
    return replace(row, tags=tuple(sorted(({*own.tags} | {*row.tags}) - gone)))


def _split(
    manifest: Manifest, base: Version, a: Version, b: Version
) -> tuple[tuple[str, dict[str, int], dict[str, Any]] | None, dict[str, int]]:
    """The split of the joined version: the one that changed, or both where nobody would be in two folds."""
    if b.split in (a.split, base.split):
        return None, a.fold_of
    clash = sorted(g for g in a.fold_of.keys() & b.fold_of.keys() if a.fold_of[g] != b.fold_of[g])
    if a.split != base.split and clash:
        raise UsageError(b.split, f"and {a.split} put {clash[0]} and {len(clash) - 1} more patients in other folds")
    fold_of = {**a.fold_of, **b.fold_of}
    about = manifest.head["splits"][b.split]
    settings = {k: about[k] for k in ("folds", "test", "seed")} | {"extends": a.split}
    return (next_split_name(manifest), fold_of, settings), fold_of


def _refuse_crossing(rows: Sequence[SampleRow], fold_of: Mapping[str, int]) -> None:
    for row in rows:
        if not row.is_original and {fold_of.get(g) for g in row.group.split("+")} != {row.fold}:
            raise UsageError(row.id, "was planned for another split and would cross its folds; split both sides alike")
