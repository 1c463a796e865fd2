"""Labels by machine: which films get them, how the version says so, and that nothing is ever scored on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import train.predict.pseudo as pseudo  # noqa: E402
from augment.cli import app as augment  # noqa: E402
from curate.cli import app as curate  # noqa: E402
from curate.errors import CarpusError, LeakError, UsageError  # noqa: E402
from curate.manifest import Manifest  # noqa: E402
from curate.sample.read import SampleReader  # noqa: E402
from curate.terminal import run  # noqa: E402
from tests.train.conftest import BONES, painted_set, runs_of  # noqa: E402
from train.arms import make_arm, split_table  # noqa: E402
from train.cli import app  # noqa: E402
from train.predict.predictor import Predictor, find_members  # noqa: E402
from train.predict.pseudo import label  # noqa: E402
from train.predict.tally import Tally  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def more(trained_copy, tmp_path):
    """The trained set, and a version with 12 unlabelled films of 6 new patients."""
    new = painted_set(tmp_path / "more", patients=6)
    for folder in sorted((new / "DCM").iterdir()):
        patient = f"ID{int(folder.name[2:]) + 500}"
        for film in folder.iterdir():
            place = trained_copy / "DCM" / patient / f"image17{film.stem[7:]}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(film, place)
    assert run(curate, ["add", "--data", str(trained_copy)]) == 0
    return trained_copy


def _predictor(root: Path) -> Predictor:
    return Predictor(find_members(runs_of(root), CPU), CPU)


def test_the_expected_dice_is_that_of_probabilities_that_mean_what_they_say():
    """Truths drawn from the probabilities meet the mask as often as foretold; in parts or at once."""
    rng = np.random.default_rng(0)
    p = np.clip(rng.beta(0.3, 1.2, (2, 200, 200)), 0, 1).astype(np.float32)
    whole, parts = Tally(2), Tally(2)
    whole.add(p, np.array([0.5, 0.4]))
    for y in range(0, 200, 37):
        parts.add(p[:, y : y + 37], np.array([0.5, 0.4]))
    assert whole.expected_dice() == pytest.approx(parts.expected_dice())
    for k, limit in enumerate((0.5, 0.4)):
        mask = p[k] >= limit
        truths = rng.random((20, 200, 200)) < p[k]
        dice = np.mean([2 * (mask & t).sum() / (mask.sum() + t.sum()) for t in truths])
        assert whole.expected_dice()[k] == pytest.approx(dice, abs=0.005)
    assert np.isnan(Tally(1).expected_dice()[0])


def test_films_are_labelled_marked_and_never_scored_on(more, capsys):
    manifest = Manifest.open(more)
    parent = manifest.version()
    unlabelled = {r.id for r in parent.samples if r.labels is None}
    assert len(unlabelled) == 12
    words = ["pseudo", *map(str, runs_of(more)), "--confidence", "0.6", "--data", str(more), "--json"]
    assert run(app, words) == 0
    told = json.loads(capsys.readouterr().out)
    version = Manifest.open(more).version(told["version"])
    made = [r for r in version.samples if "pseudo" in r.tags]
    assert {r.id for r in made} == {f["image"] for f in told["images"] if f["taken"]}
    assert made
    assert {r.id for r in made} <= unlabelled
    assert all(r.fold not in (None, 0) and r.split == "train" for r in made), "neither test nor the scored fold"
    assert told["films"] + told["left"] == sum(parent.by_id[i].fold not in (None, 0) for i in unlabelled)
    assert told["check"]["n"] == 4
    names = {a.label for a in SampleReader(version).annotations(made[0].id)}
    assert names <= set(BONES)
    # by construction: labelled, original, of a fold, and still no evaluation film of any fold or of test
    assert not {r.id for r in version.samples if r.evaluable} & unlabelled
    arm = make_arm(version, version, 0, inner=0.4)
    assert {r.id for r in arm.training} & {r.id for r in made}
    assert not {r.id for r in (*arm.evaluation, *arm.inner)} & unlabelled
    assert run(curate, ["verify", version.name, "--data", str(more)]) == 0
    capsys.readouterr()
    assert run(app, words) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["existed"], again["version"]) == (True, version.name)


def test_what_the_runs_had_seen_is_not_scored(more):
    """Labels by runs of fold 0 carry fold 1's patients: training that is scored on fold 1 is refused, children too."""
    version = label(Manifest.open(more), _predictor(more), confidence=0.6).version
    made = next(r for r in version.samples if "pseudo" in r.tags)
    assert made.fold == 1
    # scored on fold 1, none of them is trained on: they are of fold 1 themselves
    assert not {r.id for r in make_arm(version, version, 1).training} & {made.id}
    assert run(curate, ["split", "--folds", "3", "--from", version.name, "--data", str(more)]) == 0
    other = Manifest.open(more).version()
    seen = {g for g, f in split_table(version.manifest, made.meta["pseudo_split"]).items() if f == 1}
    leaks = [fold for fold in range(3) if any(other.fold_of[g] in (fold, -1) for g in seen)]
    assert leaks
    for fold in range(3):
        if fold not in leaks:
            assert make_arm(other, other, fold).training
            continue
        with pytest.raises(LeakError, match="were made by runs that had seen patient") as error:
            make_arm(other, other, fold)
        assert "train with --fold 0" in str(error.value)
    words = ["mosaic", "--n", "6", "--virtual", "--from", version.name, "--data", str(more)]
    assert run(augment, words) == 0
    children = Manifest.open(more).version()
    ids = {r.id for r in children.samples if "pseudo" in r.tags}
    assert any(ids & {*r.parents} for r in make_arm(children, children, 0).training)


def test_all_or_nothing(more, monkeypatch):
    manifest = Manifest.open(more)
    before = manifest.path.read_bytes()
    written = pseudo.write_atomically

    def fail(path, data, durable=False):
        if fail.left == 0:
            raise CarpusError(path, "cannot be written: No space left on device")
        fail.left -= 1
        written(path, data, durable)

    fail.left = 2
    monkeypatch.setattr(pseudo, "write_atomically", fail)
    with pytest.raises(CarpusError, match="No space left"):
        label(manifest, _predictor(more), confidence=0.6)
    assert manifest.path.read_bytes() == before
    monkeypatch.undo()
    one = label(Manifest.open(more), _predictor(more), confidence=0.6).version
    assert run(curate, ["verify", one.name, "--data", str(more)]) == 0


def test_what_cannot_be_labelled(more, capsys):
    folder = str(runs_of(more)[0])
    newest = Manifest.open(more).version().name
    for words, said in (
        (["--from", "v3"], "has no unlabelled film"),
        (["--from", "v1"], "has patient ID001 in another fold than split s2"),
        (["--confidence", "0.9999"], "none is as sure as 0.9999: the surest is"),
        (["--confidence", "2"], "no share between 0 and 1"),
        (["--method", "hard"], "votes do not say how sure"),
        (["--from", "v77"], "is no version"),
    ):
        assert run(app, ["pseudo", folder, "--data", str(more), *words]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert len(told.strip().splitlines()) == 1 or "labelling" in told
    assert Manifest.open(more).version().name == newest
    record = json.loads((runs_of(more)[1] / "run.json").read_text())
    (runs_of(more)[1] / "run.json").write_text(json.dumps({**record, "fold": 1}))
    with pytest.raises(UsageError, match="together the runs have seen every patient"):
        label(Manifest.open(more), _predictor(more))
    (runs_of(more)[1] / "run.json").write_text(json.dumps({**record, "split": "s99"}))
    with pytest.raises(UsageError, match="used split s99, which"):
        label(Manifest.open(more), _predictor(more))
