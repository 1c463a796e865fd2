"""Who descends from whom, and the proof that nothing leaks from evaluation into training."""

from __future__ import annotations

from curate.errors import LeakError, ManifestError
from curate.manifest.store import Version


def ancestors(version: Version, sample: str) -> frozenset[str]:
    """Ids of the originals that a sample was made from; an original's is itself.

    Raises:
        ManifestError: a parent that is not in the version, or a sample that descends from itself.
    """
    return _ancestors(version, sample, {}, ())


def _ancestors(
    version: Version, sample: str, known: dict[str, frozenset[str]], path: tuple[str, ...]
) -> frozenset[str]:
    if sample in known:
        return known[sample]
    if sample in path or len(path) > 200:
        raise ManifestError(sample, "descends from itself")
    row = version.known.get(sample)  # a parent may have been dropped since its child was made
    if row is None:
        raise ManifestError(path[-1] if path else sample, f"its parent {sample} is not in {version.name}")
    if row.is_original:
        result = frozenset([sample])
    else:
        parents = {*row.parents, *(p["parent"] for p in row.recipe.get("placements", ()))}
        if not parents:
            raise ManifestError(sample, "is derived and names no parent")
        result = frozenset().union(*(_ancestors(version, p, known, (*path, sample)) for p in sorted(parents)))
    known[sample] = result
    return result


def check_leaks(version: Version) -> None:
    """Prove that every child stays on its ancestors' side of every line.

    For each sample: its ancestors' groups all lie in one fold and none in test; the fold and the group that its row
    states are theirs. The parents are taken from the row and from the recipe, so that neither alone can hide one.

    Raises:
        LeakError: names the first sample that crosses, and how.
    """
    known: dict[str, frozenset[str]] = {}
    fold_of = version.fold_of
    for row in version.samples:
        try:
            roots = sorted(_ancestors(version, row.id, known, ()))
        except ManifestError as error:
            raise LeakError(error.path, error.detail) from None
        if row.is_original:
            continue
        groups = {}
        for root in roots:
            groups[root] = version.known[root].group
        missing = [g for g in groups.values() if g not in fold_of]
        if missing:
            raise LeakError(row.id, f"its ancestors' group {missing[0]} is not in split {version.split}")
        folds = {fold_of[g] for g in groups.values()}
        tests = [r for r, g in groups.items() if fold_of[g] < 0]
        if tests:
            raise LeakError(row.id, f"is made from {tests[0]}, a film of the test set")
        if len(folds) > 1:
            lines = ", ".join(f"{r} (fold {fold_of[g]})" for r, g in groups.items())
            raise LeakError(row.id, f"is made from films of different folds: {lines}")
        if row.fold not in folds:
            raise LeakError(row.id, f"says fold {row.fold}, its ancestors are in fold {folds.pop()}")
        if row.group != "+".join(sorted(set(groups.values()))):
            raise LeakError(row.id, f"says group {row.group}, its ancestors' are {sorted(set(groups.values()))}")


def check_trainable(version: Version) -> None:
    """Refuse a version that leaks, naming the sample, or whose tables are not the ones it was named with."""
    unchecked = version.manifest.version(version.name, verify=False)
    check_leaks(unchecked)
    for step in version.chain():
        step.own_table(["op"])
    _ = version.fold_of
