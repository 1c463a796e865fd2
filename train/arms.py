"""What one side of a comparison trains and is scored on, by the split of the version named first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curate.errors import LeakError, UsageError
from curate.files import inside
from curate.manifest.lineage import ancestors, check_trainable
from curate.manifest.row import EVALUATION_ONLY, PSEUDO, SampleRow
from curate.manifest.splits import TEST, read_split
from curate.manifest.store import Manifest, Version


@dataclass(frozen=True, eq=False)
class Arm:
    """One version under one split and fold.

    Attributes:
        version: whose samples they are.
        split_name, split_digest: of the split, which may be another version's.
        fold: that is evaluated; ``None``: the test films.
        training: labelled samples no ancestor of which is evaluated or in test.
        inner: originals held out of the training groups, for early stopping; none unless the configuration asks.
        evaluation: labelled originals of the fold.
    """

    version: Version
    split_name: str
    split_digest: str
    fold: int | None
    training: tuple[SampleRow, ...]
    inner: tuple[SampleRow, ...]
    evaluation: tuple[SampleRow, ...]


def make_arm(version: Version, first: Version, fold: int, inner: float = 0.0) -> Arm:
    """The samples of ``version`` for a run scored on a fold of the split of ``first``.

    Args:
        inner: share of the training patients to hold out; the same ones in every arm and for every seed.

    Raises:
        LeakError: a sample of the version descends from both sides of its own split.
        UsageError: no such fold, a patient whom the split does not know, nothing to train or to evaluate.
    """
    check_trainable(version)
    if not 0 <= fold < first.folds:
        raise UsageError("--fold", f"{fold} does not exist; split {first.split} has folds 0 to {first.folds - 1}")
    folds_of = _folds_of_samples(version, first.fold_of, first)
    labelled = [row for row in version.samples if row.labelled]
    evaluation = tuple(row for row in labelled if row.evaluable and folds_of[row.id][1] == {fold})
    training = [
        row for row in labelled if not folds_of[row.id][1] & {fold, -1} and EVALUATION_ONLY not in row.tags
    ]
    if not evaluation:
        raise UsageError(version.name, f"fold {fold} has no labelled original film to evaluate on")
    held = _inner_groups({g for g, f in first.fold_of.items() if f not in (fold, -1)}, inner, fold)
    kept = tuple(row for row in training if not folds_of[row.id][0] & held)
    if not kept:
        raise UsageError(version.name, f"nothing is left to train on beside fold {fold}")
    _check_teachers(version, kept, first, fold)
    inside = tuple(row for row in training if row.evaluable and folds_of[row.id][0] <= held)
    return Arm(version, first.split, first.split_digest, fold, kept, inside, evaluation)


def split_table(manifest: Manifest, name: str) -> dict[str, int]:
    """A split of a manifest by its name: group -> fold, -1 for test.

    Raises:
        UsageError: there is no such split.
    """
    entry = manifest.head["splits"].get(name)
    if entry is None:
        raise UsageError(name, f"is no split of {manifest.path}")
    return read_split(inside(manifest.root, entry["file"]), entry["digest"])


def _check_teachers(version: Version, training: Sequence[SampleRow], first: Version, fold: int) -> None:
    """Labels that a model made carry what it had seen: none of that may be scored on.

    Raises:
        LeakError: names the sample, and the fold on which it could be trained on.
    """
    if not any(PSEUDO in row.tags for row in version.known.values()):
        return
    scored = {group for group, k in first.fold_of.items() if k in (fold, TEST)}
    seen: dict[tuple[str, int], str | None] = {}
    for row in training:
        for origin in ancestors(version, row.id):
            made = version.known[origin]
            if PSEUDO not in made.tags:
                continue
            split, held = str(made.meta.get("pseudo_split")), made.meta.get("pseudo_fold")
            if (split, held) not in seen:
                trained = (g for g, k in split_table(version.manifest, split).items() if k not in (held, TEST))
                seen[split, held] = next((g for g in sorted(trained) if g in scored), None)
            patient = seen[split, held]
            if patient is not None:
                raise LeakError(
                    row.id, f"the labels of {origin} were made by runs that had seen patient {patient}, who is scored "
                    f"here: train with --fold {held}",
                )  # fmt: skip


def _folds_of_samples(
    version: Version, fold_of: Mapping[str, int], first: Version
) -> dict[str, tuple[set[str], set[int]]]:
    """For each sample, its original ancestors' groups and their folds (-1 for test)."""
    group_of = {row.id: row.group for earlier in reversed(version.chain()) for row in earlier.samples}
    found = {}
    for row in version.samples:
        groups = {group_of[origin] for origin in ancestors(version, row.id)}
        unknown = sorted(groups - fold_of.keys())
        if unknown:
            raise UsageError(
                row.id, f"its patient {unknown[0]} is not in split {first.split} of {first.name}, which both arms use"
            )
        found[row.id] = groups, {fold_of[g] for g in groups}
    return found


def _inner_groups(groups: set[str], share: float, fold: int) -> set[str]:
    """The patients held out inside training: at least one where a share is asked for; they follow from the split."""
    if not share:
        return set()
    if len(groups) < 2:
        raise UsageError("inner", "an inner split needs two patients to train on")
    order = np.random.default_rng((fold, 17)).permutation(sorted(groups))
    return set(order[: min(max(1, round(share * len(groups))), len(groups) - 1)].tolist())


def check_same_evaluation(a: Arm, b: Arm) -> None:
    """Refuse two arms that would be scored on different films.

    Raises:
        UsageError: names the films that only one arm has, or that differ.
    """
    films = [{row.id: row.digest for row in arm.evaluation} for arm in (a, b)]
    for one, other, mine, others in ((a, b, *films), (b, a, *reversed(films))):
        only = sorted(mine.keys() - others.keys())
        if only:
            raise UsageError(
                other.version.name,
                f"lacks {len(only)} evaluation films that {one.version.name} has: {', '.join(only[:5])}; "
                "two versions are compared on the same films or not at all",
            )
    changed = sorted(name for name in films[0] if films[0][name] != films[1][name])
    if changed:
        raise UsageError(
            b.version.name, f"evaluation films differ from those of {a.version.name}: {', '.join(changed[:5])}"
        )


def plan_arms(manifest: Manifest, versions: Sequence[str], fold: int, inner: float = 0.0) -> tuple[Arm, ...]:
    """The arms of a comparison, proven free of leaks and to be scored on the same films.

    Args:
        versions: one or two names; the first one's split is used for all.
        fold: to evaluate. inner: as in :func:`make_arm`.

    Raises:
        LeakError, UsageError: as :func:`make_arm` and :func:`check_same_evaluation`.
    """
    if len(set(versions)) != len(versions):
        raise UsageError("--against", f"{versions[0]} against itself: name another version")
    first = manifest.version(versions[0])
    arms = tuple(make_arm(manifest.version(name), first, fold, inner) for name in versions)
    for other in arms[1:]:
        check_same_evaluation(arms[0], other)
    return arms
