"""Random lineages: what is built by the rules never leaks, and one wrong edge anywhere is always caught."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from curate.errors import LeakError
from curate.manifest.lineage import ancestors, check_leaks
from curate.manifest.row import SampleRow
from curate.manifest.splits import TEST, make_split
from train.arms import make_arm

NORMAL, LONG = 300, 10_000


def original(name: str, group: str, fold: int) -> SampleRow:
    test = fold == TEST
    place = {"fold": None if test else fold, "split": "test" if test else "train"}
    return SampleRow(name, f"{name}.png", f"{name}.json", group, side=None, width=8, height=8, **place)


def child(name: str, parents: list[SampleRow], rng: np.random.Generator) -> SampleRow:
    """As operators make it; half of the parents may stand in the recipe only, or in the row only."""
    groups = sorted({g for p in parents for g in p.group.split("+")})
    ids = [p.id for p in parents]
    told = ids[: max(1, int(rng.integers(len(ids) + 1)))]
    recipe = {"placements": [{"parent": i} for i in ids]}
    return SampleRow(
        name, None, None, "+".join(groups), parents[0].fold, "train", None, 8, 8, parents=tuple(told), recipe=recipe
    )


def graph(rng: np.random.Generator) -> SimpleNamespace:
    """Patients of one to three films, a split of them, and children of children up to five deep, fold by fold."""
    groups = [f"P{k}" for k in range(int(rng.integers(4, 14)))]
    folds = int(rng.integers(2, 5))
    strata = {g: (int(rng.integers(2)),) for g in groups}
    fold_of = make_split(strata, folds, float(rng.uniform(0, 0.4)), int(rng.integers(1 << 30)), strict=False)
    rows = [original(f"{g}/{k}", g, fold_of[g]) for g in groups for k in range(int(rng.integers(1, 4)))]
    for level in range(int(rng.integers(1, 6))):
        for k in range(int(rng.integers(1, 6))):
            fold = int(rng.integers(folds))
            pool = [r for r in rows if r.fold == fold]
            if pool:
                chosen = [pool[i] for i in rng.integers(len(pool), size=int(rng.integers(1, 5)))]
                rows.append(child(f"c{level}-{k}", chosen, rng))
    return version(rows, fold_of, folds)


def version(rows: list[SampleRow], fold_of: dict[str, int], folds: int) -> SimpleNamespace:
    by_id = {r.id: r for r in rows}
    made = SimpleNamespace(
        name="v", split="s", split_digest="", samples=tuple(rows), by_id=by_id, known=by_id, fold_of=fold_of,
        folds=folds, own_table=lambda columns: None,
    )  # fmt: skip
    made.chain = lambda: [made]
    made.manifest = SimpleNamespace(version=lambda name, verify: made)
    return made


def seeded(clean: SimpleNamespace, rng: np.random.Generator) -> SimpleNamespace | None:
    """The same lineage with one more edge from a child to a sample on another side; ``None`` where there is no such."""
    rows = list(clean.samples)
    children = [k for k, r in enumerate(rows) if not r.is_original]
    if not children:
        return None
    at = int(rng.choice(children))
    victim = rows[at]
    elsewhere = [r.id for r in rows[:at] if r.fold != victim.fold]
    if not elsewhere:
        return None
    extra = str(rng.choice(elsewhere))
    if rng.random() < 0.5:
        rows[at] = replace(victim, parents=(*victim.parents, extra))
    else:
        rows[at] = replace(victim, recipe={"placements": [*victim.recipe["placements"], {"parent": extra}]})
    return version(rows, clean.fold_of, clean.folds)


def check(count: int, seed: int) -> int:
    caught = 0
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        clean = graph(rng)
        check_leaks(clean)
        for fold in range(clean.folds):
            evaluated = {r.id for r in clean.samples if r.is_original and r.fold == fold}
            if not evaluated or all(r.fold in (fold, None) for r in clean.samples):  # refused: see tests/train
                continue
            arm = make_arm(clean, clean, fold)
            assert {r.id for r in arm.evaluation} == evaluated
            for row in arm.training:
                roots = ancestors(clean, row.id)
                assert not roots & evaluated
                assert all(clean.fold_of[clean.known[r].group] not in (fold, TEST) for r in roots)
        leaking = seeded(clean, rng)
        if leaking is not None:
            with pytest.raises(LeakError):
                check_leaks(leaking)
            caught += 1
    return caught


def test_no_leak_by_construction_and_every_seeded_leak_is_caught() -> None:
    assert check(NORMAL, seed=0) > NORMAL * 0.7


@pytest.mark.long
def test_ten_thousand_lineages() -> None:
    assert check(LONG, seed=1) > LONG * 0.7


def test_a_cycle_and_a_missing_parent_are_leaks_too() -> None:
    rng = np.random.default_rng(0)
    a = original("A/0", "A", 0)
    lost = child("lost", [original("B/0", "B", 0)], rng)
    with pytest.raises(LeakError, match="not in"):
        check_leaks(version([a, lost], {"A": 0}, 2))
    loop = SampleRow("x", None, None, "A", 0, "train", None, 8, 8, parents=("x",), recipe={"placements": []})
    with pytest.raises(LeakError, match="itself"):
        check_leaks(version([a, loop], {"A": 0}, 2))
