"""The statistics: reference distribution, variance components, invariances, false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from train.compare.estimate import difference, holm
from train.compare.twot import reach, two_sided_p

TABLE = st.tuples(st.integers(2, 5), st.integers(2, 5), st.integers(2, 15), st.integers(0, 10**6))


def tables(seeds_a, seeds_b, patients, seed):
    rng = np.random.default_rng(seed)
    patient = 0.9 + 0.03 * rng.normal(size=patients)
    return tuple(
        patient + 0.004 * rng.normal(size=(s, 1)) + 0.01 * rng.normal(size=(s, patients)) for s in (seeds_a, seeds_b)
    )


@pytest.mark.parametrize(
    ("scale1", "df1", "scale2", "df2", "distance"),
    [(1, 4, 1, 79, 3.0), (1, 2, 0.1, 3, 8.0), (0.01, 2, 1, 79, 2.5), (1, 4, 3, 7, 6.0), (1, 1, 1, 1, 12.0)],
)
def test_two_t_is_the_simulated_sum(scale1, df1, scale2, df2, distance):
    rng = np.random.default_rng(5)
    draws = scale1 * rng.standard_t(df1, 400_000) + scale2 * rng.standard_t(df2, 400_000)
    expected = np.mean(np.abs(draws) > distance)
    assert two_sided_p(distance, scale1, df1, scale2, df2) == pytest.approx(expected, abs=4 * math.sqrt(expected / 4e5))


@given(st.floats(1e-6, 10), st.integers(1, 200), st.floats(0, 10), st.integers(1, 200), st.floats(0.6, 0.999))
@settings(max_examples=40, deadline=None)
def test_reach_inverts_p_and_lies_between_the_single_t_and_their_sum(scale1, df1, scale2, df2, confidence):
    half = reach(confidence, scale1, df1, scale2, df2)
    singles = [s * stats.t.isf((1 - confidence) / 2, df) for s, df in ((scale1, df1), (scale2, df2))]
    assert max(singles) * 0.998 <= half <= sum(singles) * 1.002
    assert two_sided_p(half, scale1, df1, scale2, df2) == pytest.approx(1 - confidence, rel=1e-3)


def test_one_source_gives_a_plain_t():
    assert two_sided_p(2.5, 1, 4, 0, 9) == pytest.approx(2 * stats.t.sf(2.5, 4))
    assert (two_sided_p(0, 0, 4, 0, 9), two_sided_p(1e-9, 0, 4, 0, 9)) == (1.0, 0.0)


def test_the_residual_counts_once_in_the_error():
    d = difference(*tables(4, 4, 12, 0))
    assert 0 < d.residual_var < d.patient_var
    assert d.error**2 == pytest.approx(d.seed_var + d.patient_var - d.residual_var, rel=1e-12)


@given(TABLE)
@settings(max_examples=40, deadline=None)
def test_arms_swapped_turn_the_sign_and_nothing_else(shape):
    a, b = tables(*shape)
    one, other = difference(a, b), difference(b, a)
    assert one.delta == pytest.approx(-other.delta, abs=1e-15)
    assert one.interval() == pytest.approx(tuple(-v for v in other.interval()[::-1]), abs=1e-12)
    assert (one.p, one.strict_p) == pytest.approx((other.p, other.strict_p), rel=1e-9)


@given(TABLE, st.floats(-0.2, 0.2), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_of_patients_and_seeds_and_a_common_shift_do_not_matter(shape, shift, random):
    a, b = tables(*shape)
    patients, seeds = list(range(a.shape[1])), list(range(len(a)))
    random.shuffle(patients)
    random.shuffle(seeds)
    one, other = difference(a, b), difference(a[seeds][:, patients] + shift, b[:, patients] + shift)
    assert other.delta == pytest.approx(one.delta, abs=1e-12)
    assert other.interval() == pytest.approx(one.interval(), abs=1e-9)
    assert other.p == pytest.approx(one.p, rel=1e-6)


@given(TABLE)
@settings(max_examples=30, deadline=None)
def test_interval_and_p_agree_about_zero(shape):
    d = difference(*tables(*shape))
    low, high = d.interval(0.95)
    assert (low > 0 or high < 0) == (d.p < 0.05)
    assert d.strict_p >= d.p


def test_components_are_unbiased():
    """Mean estimates over many experiments are the variances that were put in."""
    rng = np.random.default_rng(2)
    seeds, patients, run_sd, response_sd, residual_sd = 3, 20, 0.006, 0.01, 0.02
    found = []
    for _ in range(3000):
        base = rng.normal(size=patients)
        a, b = (
            base + response_sd * rng.normal(size=patients) + run_sd * rng.normal(size=(seeds, 1))
            + residual_sd * rng.normal(size=(seeds, patients))
            for _ in "ab"
        )  # fmt: skip
        d = difference(a, b)
        found.append((d.seed_var, d.patient_var, d.residual_var, d.delta**2))
    seed_var, patient_var, residual_var, truth = np.mean(found, axis=0)
    assert residual_var == pytest.approx(2 * residual_sd**2 / (seeds * patients), rel=0.02)
    assert seed_var == pytest.approx(2 * run_sd**2 / seeds + residual_var, rel=0.06)
    assert patient_var == pytest.approx(2 * (response_sd**2 + residual_sd**2 / seeds) / patients, rel=0.04)
    assert seed_var + patient_var - residual_var == pytest.approx(truth, rel=0.08)


def test_one_seed_has_no_p_and_its_interval_is_of_patients_alone():
    a, b = tables(1, 3, 12, 3)
    d = difference(a, b)
    assert not d.has_seeds
    assert math.isnan(d.p)
    assert math.isnan(d.strict_p)
    t = stats.ttest_1samp(b.mean(0) - a[0], 0).confidence_interval(0.95)
    assert d.interval() == pytest.approx((t.low, t.high))


def test_one_patient_and_none_give_no_interval():
    for patients in (0, 1):
        d = difference(np.full((3, patients), 0.9), np.full((3, patients), 0.8))
        assert all(map(math.isnan, d.interval()))
        assert math.isnan(d.p)


def test_seeds_of_their_own_in_each_fold_give_more_degrees_of_freedom():
    a, b = tables(3, 3, 30, 1)
    fold = np.arange(30) % 5
    assert difference(a, b).seed_df == 4
    assert difference(a, b, fold).seed_df == pytest.approx(20)
    assert difference(a, b, fold).delta == difference(a, b).delta


def test_detectable_difference_is_detected_as_often_as_it_says():
    """In an experiment where the variances are known well, 80% power is 80%."""
    rng = np.random.default_rng(9)
    a, b = (0.9 + 0.02 * rng.normal(size=(40, 1)) + 0.05 * rng.normal(size=(40, 200)) for _ in "ab")
    target = difference(a, b).detectable(0.05)
    shown = 0
    for _ in range(400):
        a, b = (0.9 + 0.02 * rng.normal(size=(40, 1)) + 0.05 * rng.normal(size=(40, 200)) for _ in "ab")
        shown += difference(a, b + target).p < 0.05
    assert 0.7 < shown / 400 < 0.9


def test_holm_by_hand_and_with_untested_classes():
    p = np.array([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(holm(p), [0.03, np.nan, 0.06, 0.06])
    assert np.all(holm(np.full(3, 0.9)) == 1.0)


def test_no_false_alarms_over_29_bones_and_honest_intervals():
    """A/A: at most 5% of reports name a bone; 93 to 97% of intervals hold the truth (a small run of the study)."""
    rng = np.random.default_rng(12)
    reports, covered, alarms = 120, 0, 0
    for _ in range(reports):
        ps = []
        common = 0.002 * rng.normal(size=(2, 3, 1))
        for _ in range(29):
            a, b = (
                common[i] + 0.002 * rng.normal(size=(3, 1)) + 0.012 * rng.normal(size=(3, 60))
                + 0.004 * rng.normal(size=60) for i in (0, 1)
            )  # fmt: skip
            d = difference(a, b)
            ps.append(d.strict_p)
            covered += d.p >= 0.05
        alarms += holm(np.array(ps)).min() <= 0.05
    assert alarms <= 0.05 * reports + 3 * math.sqrt(0.05 * 0.95 * reports)
    assert 0.93 <= covered / (29 * reports) <= 0.97


def test_each_arms_seeds_have_their_own_variance():
    """Two seeds that vary much beside five that vary little: unbiased, not pooled."""
    rng = np.random.default_rng(4)
    found = []
    for _ in range(2500):
        a, b = (sd * rng.normal(size=(s, 1)) + 0.01 * rng.normal(size=(s, 30)) for s, sd in ((2, 0.02), (5, 0.002)))
        found.append(difference(a, b).seed_var)
    truth = (0.02**2 + 0.01**2 / 30) / 2 + (0.002**2 + 0.01**2 / 30) / 5
    assert np.mean(found) == pytest.approx(truth, rel=0.08)
    assert difference(a, b).seed_df == 5


@pytest.mark.parametrize("patients", [2, 3, 5])
def test_few_patients_that_respond_unlike_are_covered(patients):
    rng = np.random.default_rng(6)
    held = []
    for _ in range(900):
        a, b = (
            0.02 * rng.normal(size=patients) + 0.001 * rng.normal(size=(3, 1)) + 0.007 * rng.normal(size=(3, patients))
            for _ in "ab"
        )  # fmt: skip
        low, high = difference(a, b).interval()
        held.append(low <= 0 <= high)
    assert np.mean(held) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 900)


@given(st.integers(2, 8), st.integers(2, 8), st.integers(0, 8), st.integers(0, 8))
@settings(max_examples=40, deadline=None)
def test_trainings_that_lose_a_bone_are_judged_by_fishers_test(seeds_a, seeds_b, lost_a, lost_b):
    lost_a, lost_b = min(lost_a, seeds_a), min(lost_b, seeds_b)
    a, b = tables(seeds_a, seeds_b, 6, 0)
    a[:lost_a], b[:lost_b] = 0, 0
    d = difference(a, b)
    if lost_a + lost_b in (0, seeds_a + seeds_b):
        assert d.lost_p == 0
        return
    expected = stats.fisher_exact([[lost_a, seeds_a - lost_a], [lost_b, seeds_b - lost_b]]).pvalue
    assert d.lost_p == pytest.approx(expected, rel=1e-6)
    assert d.delta == 0 or d.strict_p >= d.lost_p


def test_three_coins_that_fall_alike_call_no_bone_better():
    a, b = tables(3, 3, 20, 1)
    d = difference(np.zeros_like(a), b)
    assert d.p < 1e-6
    assert d.strict_p == pytest.approx(0.1)


@pytest.mark.parametrize(("first", "second"), [(0.7, 0.7), (0.7, 0.9), (0.0, 1.0), (1 / 3, 0.1)])
def test_scores_that_never_vary_say_nothing_of_doubt(first, second):
    d = difference(np.full((3, 7), first), np.full((2, 7), second))
    assert d.delta == pytest.approx(second - first)
    assert not d.varies
    assert all(map(math.isnan, (*d.interval(), d.p, d.strict_p, d.detectable(0.05))))


@given(TABLE)
@settings(max_examples=30, deadline=None)
def test_a_verdicts_interval_holds_the_plain_one_and_agrees_with_its_p(shape):
    d = difference(*tables(*shape))
    (low, high), (wide_low, wide_high) = d.interval(), d.interval(strict=True)
    assert wide_low <= low
    assert high <= wide_high
    assert (wide_low > 0 or wide_high < 0) == (d.strict_p < 0.05)


def test_unequal_seeds_that_vary_alike_are_covered_at_95_and_at_99_9():
    """The trainings' part over its error has the distribution that is taken, also far out, where Holm looks."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(100_000, 2)), rng.normal(size=(100_000, 5))
    t = (b.mean(1) - a.mean(1)) / np.sqrt(a.var(1, ddof=1) / 2 + b.var(1, ddof=1) / 5)
    found = difference(*tables(2, 5, 10, 0))
    for beyond in (0.05, 0.002):
        edge = reach(1 - beyond, found.seed_factors, found.seed_df, 0.0, 9)
        assert np.mean(np.abs(t) > edge) == pytest.approx(beyond, abs=4 * math.sqrt(beyond / 1e5))
    assert difference(*tables(3, 3, 10, 0)).seed_factors == (1.0,)
