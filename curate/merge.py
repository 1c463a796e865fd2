"""Joining what two people made from one version: their versions are taken over, then both sides' changes become one."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from curate.errors import ManifestError, UsageError
from curate.files import digest_file, inside, write_atomically
from curate.manifest import Manifest, SampleRow, Version
from curate.manifest.commit import commit_version, next_split_name, same_step, writing
from curate.manifest.head import TABLES, head_bytes
from curate.manifest.splits import read_split
from curate.steps import descends, plain

SUFFIX = "-theirs"
"""What the name of a taken-over version or split gets when it is in use for another."""


@dataclass
class Adopted:
    """What was taken over from another manifest: their names -> ours, of versions and of splits; and files copied."""

    versions: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    files: int = 0
    newest: str | None = None


def adopt(manifest: Manifest, other: Manifest) -> Adopted:
    """Take over the versions of another copy of the data set that this one does not have, files and all.

    A version is the same when its digest is. One whose name is in use for another here is named ``NAME-theirs``.

    Raises:
        UsageError: other classes, or not one version in common: not copies of one data set.
        ManifestError: a file that both have with different bytes, or theirs that is not as its manifest says.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        head = copy.deepcopy(manifest.head)
        ours = {v.digest: v.name for v in manifest.versions()}
        if manifest.classes != other.classes:
            raise UsageError(other.path, "has other classes; its versions cannot be joined with these")
        if not any(v.digest in ours for v in other.versions()):
            raise UsageError(other.path, "has no version in common with this manifest: not a copy of this data set")
        done = Adopted()
        for version in other.versions():
            if version.digest in ours:
                done.versions[version.name] = ours[version.digest]
            else:
                done.versions[version.name] = _take(manifest, head, version, done)
            done.newest = done.versions[version.name]
        if head != manifest.head:
            write_atomically(manifest.path, head_bytes(head), durable=True)
    return done


def _free(name: str, taken: Mapping[str, Any]) -> str:
    free = name
    while free in taken:
        free += SUFFIX
    return free


def _take(manifest: Manifest, head: dict[str, Any], version: Version, done: Adopted) -> str:
    """Copy one version's split, table and files, and enter it in the head; its name here."""
    about = version.manifest.head["splits"][version.split]
    split = next((n for n, s in head["splits"].items() if s["digest"] == about["digest"]), None)
    if split is None:
        split = _free(version.split, head["splits"])
        file = f"{TABLES}/splits/{split}.csv"
        read_split(inside(version.root, about["file"]), about["digest"])
        write_atomically(inside(manifest.root, file), inside(version.root, about["file"]).read_bytes(), durable=True)
        entry = {**about, "file": file}
        if "extends" in entry:
            entry["extends"] = done.splits.get(entry["extends"], entry["extends"])
        head["splits"][split] = entry
    done.splits[version.split] = split
    name = _free(version.name, head["versions"])
    table = version.own_table(["image", "labels", "file", "label_file"])  # checks its digest
    for image, labels, one, two in zip(*(column.to_pylist() for column in table.columns), strict=True):
        done.files += _copied(version, manifest, image, one) + _copied(version, manifest, labels, two)
    file = f"{TABLES}/{name}.parquet"
    data = inside(version.root, version.entry["table"]["file"]).read_bytes()
    write_atomically(inside(manifest.root, file), data, durable=True)
    entry = copy.deepcopy(dict(version.entry))
    entry |= {"parent": done.versions.get(version.parent), "split": split, "table": {**entry["table"], "file": file}}
    head["versions"][name] = entry
    for kind in ("tags", "notes"):
        for key, value in version.manifest.head.get(kind, {}).items():
            if kind == "tags" and value == version.name and key not in head.get("tags", {}):
                head.setdefault("tags", {})[key] = name
            if kind == "notes" and key == version.name:
                head.setdefault("notes", {})[name] = value
    return name


def _copied(version: Version, manifest: Manifest, relative: str | None, digest: str | None) -> bool:
    """Bring one file over, unless it is here; whether it had to be."""
    if relative is None:
        return False
    source, target = inside(version.root, relative), inside(manifest.root, relative)
    if target.is_file():
        if digest_file(target) != digest:
            raise ManifestError(relative, "is here with other bytes than the versions to take over need")
        return False
    if not source.is_file():
        if relative.startswith("derived/"):
            return False  # made again from its recipe: augment rebuild
        raise ManifestError(source, "is missing there")
    if digest_file(source) != digest:
        raise ManifestError(source, "is not as its manifest says")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, source.read_bytes())
    shutil.copystat(source, target)
    return True


@dataclass(frozen=True)
class Joined:
    """What a join did: the version, whether it had been there, and what each side brought."""

    version: Version
    existed: bool
    ours: int = 0
    theirs: int = 0


def join(
    manifest: Manifest, theirs: str, ours: str | None = None, name: str | None = None, prefer: str | None = None
) -> Joined:
    """A version that has the changes of two, since the nearest version that both were made from.

    A sample changed on one side is taken from there; changed alike on both, once. Tags are united. Children of films
    that the other side took out of training go with them.

    Args:
        ours: which version to join into; the newest by default. prefer: whose, where both changed one sample
            (``"ours"`` or ``"theirs"``); without it clashes are refused and named.

    Raises:
        UsageError: nothing in common, or clashes, naming them.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        b, a = manifest.version(theirs), manifest.version(ours)
        chain = {v.name for v in b.chain()}
        base = next((v for v in a.chain() if v.name in chain), None)
        if base is None:
            raise UsageError(theirs, f"and {a.name} were not made from one version")
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
            new_split=split,
        )  # fmt: skip
    return Joined(version, False, len(_since(base, a)), len(_since(base, b)))


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
