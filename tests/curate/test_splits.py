"""Splits: grouped, balanced, and the same whatever the order of the samples."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import ManifestError, UsageError
from curate.manifest.splits import TEST, default_folds, extend_split, make_split, read_split, split_bytes, split_columns

strata = st.dictionaries(
    st.text("abcdef0123456789", min_size=1, max_size=6),
    st.tuples(st.sampled_from(["male", "female", "?"]), st.sampled_from([1, 2, "?"]), st.booleans()),
    min_size=8,
    max_size=80,
)


@given(strata, st.integers(2, 5), st.floats(0, 0.3), st.integers(0, 5))
@settings(deadline=None)
def test_every_group_is_somewhere_and_strata_are_balanced(groups, folds, test, seed):
    if len(groups) - round(test * len(groups)) < folds:
        return
    fold_of = make_split(groups, folds, test, seed)
    assert fold_of.keys() == groups.keys()
    assert sum(f == TEST for f in fold_of.values()) == round(test * len(groups))
    sizes = Counter(f for f in fold_of.values() if f != TEST)
    assert set(sizes) == set(range(folds))
    for stratum in set(groups.values()):
        counts = Counter(fold_of[g] for g in groups if groups[g] == stratum and fold_of[g] != TEST)
        assert max(counts.values(), default=0) - min((counts[k] for k in range(folds)), default=0) <= 1
    assert max(sizes.values()) - min(sizes.values()) <= len(set(groups.values()))


@given(strata, st.integers(0, 9))
def test_the_draw_depends_on_seed_and_names_alone(groups, seed):
    backwards = dict(reversed(groups.items()))
    assert make_split(groups, 3, 0.2, seed) == make_split(backwards, 3, 0.2, seed)


def test_delivered_test_groups_stay_test():
    groups = {f"g{k}": ("?",) for k in range(10)}
    fold_of = make_split(groups, 2, 0.0, 0, frozenset({"g3"}))
    assert fold_of["g3"] == TEST
    assert Counter(fold_of.values())[TEST] == 1


def test_new_groups_go_where_their_stratum_is_rarest_and_nobody_moves():
    old = {"a": 0, "b": 0, "c": 0, "d": 1, "t": TEST}
    strata = {"a": ("male",), "b": ("male",), "c": ("male",), "d": ("female",), "t": ("male",)}
    new = {"x": ("female",), "y": ("female",), "z": ("male",), "u": ("female",)}
    fold_of = extend_split(old, strata | new, 2, 0, frozenset({"u"}))
    assert {g: fold_of[g] for g in old} == old
    assert (fold_of["z"], fold_of["u"]) == (1, TEST)
    assert Counter(fold_of[g] for g in "dxy")[0] in (1, 2)
    assert extend_split(old, strata | {"x": ("female",)}, 2, 0)["x"] == 0  # although fold 1 has fewer patients
    assert extend_split(old, strata | {"x": ("?",)}, 2, 0)["x"] == 1  # of a new stratum: where fewest are


def test_what_cannot_be_split():
    groups = {f"g{k}": ("?",) for k in range(3)}
    for folds, test, fault in ((1, 0, "at least 2"), (2, 1.0, "not a share"), (5, 0, "do not fill")):
        with pytest.raises(UsageError, match=fault):
            make_split(groups, folds, test, 0)


def test_default_folds():
    assert [default_folds(n) for n in (1, 6, 8, 9, 15, 400)] == [2, 2, 2, 3, 5, 5]


def test_table(tmp_path):
    fold_of = {"ID2": 0, "ID1": TEST, 'odd,"name"': 1, "": 0, " a\rb\n": 1, "한국": 0, "NA": 0, "1": 1}
    path = tmp_path / "s.csv"
    path.write_bytes(split_bytes(fold_of))
    assert read_split(path) == fold_of
    groups, folds = split_columns(path)
    assert dict(zip(groups.to_pylist(), folds.to_pylist(), strict=True)) == fold_of
    twice, odd = "group,fold\na,0\na,1\n", "group,fold\na,x\n"
    for text, fault in ((twice, "twice"), (odd, "not a split"), ("x\n1\n", "not a"), ("", "not a")):
        path.write_text(text)
        with pytest.raises(ManifestError, match=fault):
            read_split(path)
