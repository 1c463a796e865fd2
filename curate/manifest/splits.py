"""Splits: named, immutable tables group -> fold, grouped by patient and stratified."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from curate.errors import ManifestError, UsageError
from curate.files import digest_bytes

TEST = -1
_COLUMNS = ["group", "fold"]


def split_bytes(fold_of: Mapping[str, int]) -> bytes:
    """A split as CSV: ``group,fold``, sorted by group; fold ``test`` for the frozen test groups."""
    lines = [f"{_quoted(g)},{'test' if fold_of[g] == TEST else fold_of[g]}\n" for g in sorted(fold_of)]
    return "".join([",".join(_COLUMNS) + "\n", *lines]).encode()


def _quoted(group: str) -> str:
    """A name as a field of CSV; not ``csv``, some versions of which let a lone carriage return stand bare."""
    return '"' + group.replace('"', '""') + '"' if any(c in group for c in ',"\r\n') else group


def read_split(path: Path, digest: str | None = None) -> dict[str, int]:
    """Read a split's table: group -> fold, ``TEST`` for test groups.

    Raises:
        ManifestError: missing, changed since it was named, a group given twice, or a fold that is no number.
    """
    groups, folds = split_columns(path, digest)
    return dict(zip(groups.to_pylist(), folds.to_pylist(), strict=True))


def split_columns(path: Path, digest: str | None = None) -> tuple[pa.Array, pa.Array]:
    """The same as two columns, strings and 32-bit integers: a million patients are filtered without objects."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(path, f"split cannot be read: {error.strerror or error}") from None
    if digest is not None and digest_bytes(data) != digest:
        raise ManifestError(path, "split does not match the digest in the manifest: it was changed or damaged")
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            pacsv.ReadOptions(use_threads=False),
            pacsv.ParseOptions(newlines_in_values=True),
            pacsv.ConvertOptions(column_types=dict.fromkeys(_COLUMNS, pa.string())),
        ).combine_chunks()
        if table.column_names != _COLUMNS:
            raise ValueError("its columns are not group, fold")
        groups, folds = (column.combine_chunks() for column in table.columns)
        numbers = pc.if_else(pc.equal(folds, "test"), str(TEST), folds).cast(pa.int32())
    except (ValueError, pa.ArrowException) as error:
        raise ManifestError(path, f"is not a split table: {str(error).splitlines()[0]}") from None
    if len(groups.unique()) < len(groups):
        counted = groups.value_counts()
        twice = counted.filter(pc.greater(counted.field("counts"), 1))[0]["values"]
        raise ManifestError(path, f"group {twice} stands in it twice")
    return groups, numbers


def fold_label(fold: int) -> str:
    """A fold as people read it."""
    return "test" if fold == TEST else str(fold)


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
