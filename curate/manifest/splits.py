"""Splits: named, immutable tables group -> fold, grouped by patient and stratified."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from curate.errors import ManifestError, UsageError
from curate.files import digest_bytes

TEST = -1


def split_bytes(fold_of: Mapping[str, int]) -> bytes:
    """A split as CSV: ``group,fold``, sorted by group; fold ``test`` for the frozen test groups."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["group", "fold"])
    for group in sorted(fold_of):
        writer.writerow([group, "test" if fold_of[group] == TEST else fold_of[group]])
    return text.getvalue().encode()


def read_split(path: Path, digest: str | None = None) -> dict[str, int]:
    """Read a split's table: group -> fold, ``TEST`` for test groups.

    Raises:
        ManifestError: missing, changed since it was named, a group given twice, or a fold that is no number.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(path, f"split cannot be read: {error.strerror or error}") from None
    if digest is not None and digest_bytes(data) != digest:
        raise ManifestError(path, "split does not match the digest in the manifest: it was changed or damaged")
    try:
        lines = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
        if next(lines, None) != ["group", "fold"]:
            raise ValueError("its columns are not group, fold")
        pairs = [(group, fold) for group, fold in lines]
        number = {fold: TEST if fold == "test" else int(fold) for fold in {fold for _, fold in pairs}}
    except (TypeError, ValueError, csv.Error) as error:
        raise ManifestError(path, f"is not a split table: {error}") from None
    fold_of = {group: number[fold] for group, fold in pairs}
    if len(fold_of) < len(pairs):
        twice = next(group for group, n in Counter(group for group, _ in pairs).items() if n > 1)
        raise ManifestError(path, f"group {twice} stands in it twice")
    return fold_of


def default_folds(groups: int) -> int:
    """Folds that ``curate init`` makes: one for every three patients, at least 2, at most 5."""
    return max(2, min(5, groups // 3))


def _order(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}\n{group}".encode()).hexdigest()


def extend_split(
    fold_of: Mapping[str, int],
    strata: Mapping[str, tuple],
    folds: int,
    seed: int,
    frozen_test: frozenset[str] = frozenset(),
) -> dict[str, int]:
    """A split for more groups in which nobody moves.

    Each new group goes where its stratum is rarest among all groups, then where fewest groups are.

    Args:
        fold_of: the split to extend. strata: group -> what to balance, of the old groups and the new.
        frozen_test: new groups that were delivered as test.
    """
    result = dict(fold_of)
    here = Counter((strata[g], f) for g, f in fold_of.items() if g in strata)
    totals = Counter(fold_of.values())
    for group in sorted((g for g in strata if g not in fold_of), key=lambda g: _order(seed, g)):
        if group in frozen_test:
            result[group] = TEST
            continue
        fold = min(range(folds), key=lambda k: (here[strata[group], k], totals[k], k))
        result[group] = fold
        here[strata[group], fold] += 1
        totals[fold] += 1
    return result


def make_split(
    strata: Mapping[str, tuple],
    folds: int,
    test: float,
    seed: int,
    frozen_test: frozenset[str] = frozenset(),
    strict: bool = True,
) -> dict[str, int]:
    """Deal groups into folds and a test share, stratum by stratum.

    Within each stratum (sex, age band, rotated or not) groups are shuffled by a hash of seed and name, then each goes
    where its stratum is rarest, then where fewest groups are: folds of a stratum differ by at most one group.

    Args:
        strata: group -> what to balance.
        folds: at least 2. test: share of groups in [0, 1).
        frozen_test: groups that are test whatever the draw (films delivered as test).
        strict: refuse folds that would stay empty; ``curate init`` takes what there is.

    Raises:
        UsageError: fewer than 2 folds, or fewer groups than folds outside the test share.
    """
    if folds < 2:
        raise UsageError("--folds", f"{folds} folds cannot separate training from evaluation; use at least 2")
    if not 0 <= test < 1:
        raise UsageError("--test", f"{test} is not a share in [0, 1)")
    free = [g for g in strata if g not in frozen_test]
    members: dict[tuple, list[str]] = defaultdict(list)
    for group in sorted(free, key=lambda g: _order(seed, g)):
        members[strata[group]].append(group)
    fold_of = dict.fromkeys(frozen_test, TEST)
    wanted, taken = round(test * len(free)), 0
    # the test share first, the strata in turn, the largest remainder first
    ordered = sorted(members, key=lambda s: (-len(members[s]), str(s)))
    while taken < wanted:
        stratum = max(ordered, key=lambda s: (len(members[s]), str(s)))
        fold_of[members[stratum].pop()] = TEST
        taken += 1
    if strict and len(free) - taken < folds:
        raise UsageError("--folds", f"{len(free) - taken} patients outside the test set do not fill {folds} folds")
    totals: Counter[int] = Counter()
    for stratum in ordered:
        here: Counter[int] = Counter()
        for group in members[stratum]:
            fold = min(range(folds), key=lambda k: (here[k], totals[k], k))
            fold_of[group] = fold
            here[fold] += 1
            totals[fold] += 1
    return fold_of
