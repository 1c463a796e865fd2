"""Reading arms, refusing what cannot be compared, and what a comparison says of it all."""

from __future__ import annotations

import contextlib
import json
import re
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import CarpusError, UsageError
from tests.train.runfolders import HAND, make_arm
from train.compare import compare_runs, json_of
from train.compare.arm import read_arm

FEW = ("Radius", "Ulna", "Pisiform")


@pytest.fixture
def arms(tmp_path):
    rng = np.random.default_rng(3)
    a = make_arm(tmp_path / "a", rng, classes=FEW, folds=2)
    b = make_arm(tmp_path / "b", rng, version="v3", classes=FEW, folds=2, delta={"Pisiform": 0.05})
    return a, b


def edit(run, **changes):
    record = json.loads((run / "run.json").read_text()) | changes
    (run / "run.json").write_text(json.dumps({k: v for k, v in record.items() if v is not None}))


def unfinish(run):
    for file in run.iterdir():
        file.unlink()
    (run / "log.csv").write_text("step,loss\n10,0.5\n")


def edit_scores(run, change):
    lines = (run / "scores.csv").read_text().splitlines()
    (run / "scores.csv").write_text("\n".join([lines[0], *change(lines[1:])]) + "\n")


def test_the_object_has_the_contracts_fields(arms):
    found = compare_runs(*arms).to_dict()
    assert {"a", "b", "n_images", "n_groups", "n_seeds", "margin", "classes", "overall"} <= set(found)
    assert (found["n_images"], found["n_groups"], found["n_seeds"]) == (24, 12, 3)
    wanted = {"name", "n_present", "dice_a", "dice_b", "delta", "ci", "p", "p_holm", "verdict"}
    for line in (*found["classes"], found["overall"]):
        assert wanted <= set(line)
        assert line["delta"] == pytest.approx(line["dice_b"] - line["dice_a"], abs=2e-6)
        assert line["ci"][0] <= line["delta"] <= line["ci"][1]
    by_name = {line["name"]: line for line in found["classes"]}
    assert by_name["Pisiform"]["verdict"] == "better"
    assert by_name["Pisiform"]["delta"] == pytest.approx(0.05, abs=0.01)
    json.dumps(found, allow_nan=False)


def test_dice_is_the_mean_over_patients_and_invented_bones_are_counted_apart(tmp_path):
    rng = np.random.default_rng(0)
    a = make_arm(tmp_path / "a", rng, classes=FEW, patients=5, absent=0.3)
    c = compare_runs(a, a)
    arm = read_arm(a)
    for k, line in enumerate(c.classes):
        per_patient = []
        for patient in sorted(set(arm.groups)):
            films = [i for i, g in enumerate(arm.groups) if g == patient and arm.present[i, k]]
            if films:
                per_patient.append(arm.scores["dice"][:, films, k].mean())
        assert line.dice_a == pytest.approx(np.mean(per_patient))
        assert line.n_patients == len(per_patient)
        absent = ~arm.present[:, k]
        assert line.n_absent == absent.sum()
        assert line.invented_a == (~np.isnan(arm.scores["dice"][:, absent, k])).sum()
    assert sum(line.invented_a for line in c.classes) > 0


def test_an_arm_against_itself_differs_in_nothing(arms):
    c = compare_runs(arms[0], arms[0])
    assert {line.delta for line in c.classes} == {0.0}
    assert {line.p for line in c.classes} == {1.0}
    assert {line.verdict for line in c.classes} <= {"equivalent", "inconclusive"}


@given(st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_order_of_rows_does_not_matter_and_swapped_arms_turn_signs(tmp_path_factory, seed):
    rng = np.random.default_rng(seed)
    home = tmp_path_factory.mktemp("arms")
    a = make_arm(home / "a", rng, classes=FEW, patients=6)
    b = make_arm(home / "b", rng, classes=FEW, patients=6, version="v2", delta=0.01)
    before, swapped = compare_runs(a, b), compare_runs(b, a)
    for run in [*a.iterdir(), *b.iterdir()]:
        edit_scores(run, lambda lines: list(rng.permutation(lines)))
    after = compare_runs(a, b)
    assert after.to_dict() == before.to_dict()
    turned = {"better": "worse", "worse": "better"}
    for one, other in zip(before.classes, swapped.classes, strict=True):
        assert other.delta == pytest.approx(-one.delta, abs=1e-12)
        assert other.p == pytest.approx(one.p, rel=1e-6)
        assert other.verdict == turned.get(one.verdict, one.verdict)
        assert (other.wins, other.losses) == (one.losses, one.wins)


def test_one_seed_names_no_winner(tmp_path):
    rng = np.random.default_rng(0)
    a = make_arm(tmp_path / "a", rng, seeds=1)
    b = make_arm(tmp_path / "b", rng, seeds=1, delta=0.1, version="v3")
    c = compare_runs(a / "fold0-seed0", b)
    assert any("seed variance not estimated" in note for note in c.notes)
    assert c.to_dict()["seed_variance"] == "not estimated"
    assert {line.verdict for line in (*c.classes, *c.groups, c.overall)} == {"inconclusive"}
    assert {line.to_dict()["p_holm"] for line in c.classes} == {None}
    assert c.overall.delta > 0.03


def test_a_copied_run_is_no_second_seed(tmp_path):
    rng = np.random.default_rng(0)
    a = make_arm(tmp_path / "a", rng, classes=FEW, seeds=1)
    shutil.copytree(a / "fold0-seed0", a / "copy")
    edit(a / "copy", seed=1)
    b = make_arm(tmp_path / "b", rng, classes=FEW, seeds=2, version="v3", delta=0.1)
    c = compare_runs(a, b)
    assert any("same scores to the last digit" in note for note in c.notes)
    assert c.n_seeds == 1
    assert {line.verdict for line in c.classes} == {"inconclusive"}


def test_a_single_patient_is_reported_plainly(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (make_arm(tmp_path / n, rng, classes=FEW, patients=1, absent=0, version=n) for n in "ab")
    c = compare_runs(a, b)
    assert any("a single patient" in note for note in c.notes)
    assert {line.verdict for line in c.classes} == {"inconclusive"}
    assert c.to_dict()["overall"]["ci"] is None


def test_hand_groups_come_with_hand_classes_only(tmp_path):
    rng = np.random.default_rng(0)
    hand = make_arm(tmp_path / "hand", rng, classes=HAND[::-1], patients=4)
    chest = make_arm(tmp_path / "chest", rng, classes=("lung", "heart"), patients=4)
    groups = {line.name: line for line in compare_runs(hand, hand).groups}
    assert set(groups) == {"fingertips", "carpals", "forearm"}
    assert compare_runs(chest, chest).groups == ()
    c = compare_runs(chest, chest, groups={"both": ["lung", "heart"]})
    assert c.groups[0].dice_a == pytest.approx(c.overall.dice_a)
    with pytest.raises(UsageError, match="no such class: liver"):
        compare_runs(chest, chest, groups={"x": ["liver"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: edit(run, status="running"), "did not finish"),
        (lambda run: (run / "scores.csv").unlink(), "did not finish: it has no scores.csv"),
        (lambda run: (run / "run.json").unlink(), "no run.json"),
        (unfinish, "did not finish: finish it, or move it"),
        (lambda run: (run / "run.json").write_text("{"), "not JSON"),
        (lambda run: (run / "run.json").write_text("[]"), "not a JSON object"),
        (lambda run: edit(run, classes="Radius"), "'classes' must be a list of names"),
        (lambda run: edit(run, evaluation=["x", "x"]), "names x twice"),
        (lambda run: edit(run, version="v9"), "version is 'v1', but 'v9'"),
        (lambda run: edit(run, config={"lr": 0.1, "steps": 100}), "not the same recipe .* config.lr 0.1 and 0.001"),
        (lambda run: edit(run, steps=7), "optimiser steps differ: 7, 100 and 100"),
        (lambda run: edit(run, seed=1), "claim the same seed and fold"),
        (lambda run: edit_scores(run, lambda lines: lines[1:]), "1 rows missing"),
        (lambda run: edit_scores(run, lambda lines: [*lines, lines[0]]), "two rows for Radius"),
        (lambda run: edit_scores(run, lambda lines: [re.sub(r"1,0\.\d+,", "1,nan,", s) for s in lines]), "Dice is nan"),
        (lambda run: edit_scores(run, lambda rows: [rows[0].replace("ID000,", "ID999,"), *rows[1:]]), "two patients"),
        (lambda run: edit_scores(run, lambda lines: [s.replace(",ID000,", ",,") for s in lines]), "has no group"),
        (lambda run: edit_scores(run, lambda lines: [s.replace("Ulna", "Fibula") for s in lines]), "class 'Fibula'"),
        (lambda run: edit_scores(run, lambda lines: [s.replace("ID000/", "XX/") for s in lines]), "not among the eval"),
        (shutil.rmtree, "no run of seed 0 for fold 0"),
    ],
)
def test_bad_runs_are_refused_by_name(arms, change, message):
    change(arms[0] / "fold0-seed0")
    with pytest.raises(CarpusError, match=message) as caught:
        compare_runs(*arms)
    assert str(arms[0]) in str(caught.value)


def test_arms_that_cannot_be_compared(tmp_path):
    rng = np.random.default_rng(0)
    a = make_arm(tmp_path / "a", rng, classes=FEW)
    others = {
        "evaluation films differ: ID012/image0120": {"patients": 13},
        "class lists differ: Pisiform only in the first": {"classes": FEW[:2]},
        "config.lr 0.001 and 0.01": {"config": {"lr": 0.01, "steps": 100}},
        "optimiser steps differ: 100 and 200": {"steps": 200},
        "split_digest 's1' and 's2'": {"split_digest": "s2"},
        "divided into other folds": {"folds": 2},
        "the evaluation labels changed": {"world": 2},
    }
    for run in a.iterdir():
        edit(run, split_digest="s1")
    for k, (message, change) in enumerate(others.items()):
        b = make_arm(tmp_path / f"b{k}", rng, **{"classes": FEW, "version": "v3", **change})
        with pytest.raises(CarpusError, match=message):
            compare_runs(a, b)


def test_folders_that_hold_no_runs(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="neither a run folder"):
        compare_runs(tmp_path / "empty", tmp_path / "empty")
    with pytest.raises(UsageError, match="no such folder"):
        compare_runs(tmp_path / "nowhere", tmp_path / "empty")
    with pytest.raises(UsageError, match="no difference in Dice"):
        compare_runs(tmp_path, tmp_path, margin=7)


def test_folds_may_not_share_a_patient(arms):
    run = arms[0] / "fold1-seed0"
    edit_scores(run, lambda lines: [s.replace("ID001/image0010,ID001", "ID001/image0010,ID000") for s in lines])
    with pytest.raises(CarpusError, match="ID000"):
        compare_runs(*arms)


def test_another_tools_runs_need_little(tmp_path):
    """No seed, fold, config or version in run.json, no NSD or HD95, extra columns, files beside the runs."""
    rng = np.random.default_rng(0)
    for name, delta in (("a", 0.0), ("b", 0.05)):
        arm = make_arm(tmp_path / name, rng, classes=FEW, delta=delta, surface=False)
        (arm / "notes.txt").write_text("mine")
        for run in arm.iterdir():
            if run.is_dir():
                edit(run, **dict.fromkeys(("seed", "fold", "config", "version", "digest", "steps", "software")))
    c = compare_runs(tmp_path / "a", tmp_path / "b")
    assert (c.n_seeds, c.a.name, c.b.name) == (3, "a", "b")
    assert {line.verdict for line in c.classes} == {"better"}
    assert c.classes[0].to_dict()["nsd_a"] is None


def test_seeds_of_their_own_in_each_fold_are_told_apart(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (make_arm(tmp_path / n, rng, classes=FEW, folds=3, version=n) for n in "ab")
    shared = compare_runs(a, b)
    for arm in (a, b):
        for run in arm.iterdir():
            record = json.loads((run / "run.json").read_text())
            edit(run, seed=100 * record["fold"] + record["seed"])
    nested = compare_runs(a, b)
    assert read_arm(a).nested
    assert nested.overall.delta == pytest.approx(shared.overall.delta)
    assert nested.overall.ci != shared.overall.ci


def test_package_versions_that_differ_are_stated(arms):
    edit(arms[1] / "fold0-seed0", software={"torch": "2.4.0"})
    rows = {what: (a, b) for what, a, b in compare_runs(*arms).differences}
    assert rows["package torch"] == ("2.13.0", "2.13.0, 2.4.0")
    assert rows["version"] == ("v1", "v3")


def test_trainings_that_found_nothing_are_not_one_training_copied(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (make_arm(tmp_path / n, rng, classes=FEW, patients=3, version=n, absent=0) for n in "ab")
    for run in [*a.iterdir(), *b.iterdir()]:
        edit_scores(run, lambda lines: [re.sub(r"(,1,)[\d.]+", r"\g<1>0", line) for line in lines])
    c = compare_runs(a, b)
    assert c.n_seeds == 3
    assert not any("last digit" in note for note in c.notes)
    assert {line.to_dict()["p"] for line in c.classes} == {None}
    assert {line.verdict for line in c.classes} == {"inconclusive"}


def test_what_few_patients_and_unlike_trainings_leave_open_is_noted(tmp_path):
    rng = np.random.default_rng(0)
    steady = make_arm(tmp_path / "a", rng, patients=30, seed_sd=0.001, residual_sd=0.001)
    wild = make_arm(tmp_path / "b", rng, patients=30, seed_sd=0.01, residual_sd=0.001, version="v2")
    notes = compare_runs(steady, wild).notes
    assert any("the trainings of B vary" in note for note in notes)
    assert not any("patients:" in note for note in notes)
    assert not any("vary" in note for note in compare_runs(steady, steady).notes)
    few = [make_arm(tmp_path / f"few{n}", rng, classes=FEW, patients=8, version=n) for n in "ab"]
    assert any(note.startswith("8 patients: ") and "38% of patients" in note for note in compare_runs(*few).notes)


def test_whatever_run_json_says_there_is_a_report_or_one_line(tmp_path):
    rng = np.random.default_rng(0)
    arms = [make_arm(tmp_path / n, rng, classes=FEW[:1], patients=2, films=1, seeds=2, version=n) for n in "ab"]
    kept = {run: json.loads((run / "run.json").read_text()) for run in arms[0].iterdir()}
    compared = 0
    for key in ("version", "steps", "n_training", "pixel_mm", "software", "seed", "fold"):
        for value in ([1], {"a": [1]}, float("nan"), 10**40):
            for run, record in kept.items():
                (run / "run.json").write_text(json.dumps(record | {key: value}))
            with contextlib.suppress(CarpusError):  # one line; anything else is a traceback
                json_of(compare_runs(*arms))
                compared += 1
    assert compared > 10
