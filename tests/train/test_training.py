"""The main command on a small set: arms, runs, resume, refusals."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import train.fit.callbacks  # noqa: E402
from curate.cli import app as curate  # noqa: E402
from curate.errors import CarpusError, LockedError, UsageError, WriteError  # noqa: E402
from curate.manifest import Manifest  # noqa: E402
from curate.manifest.lineage import ancestors  # noqa: E402
from curate.terminal import run  # noqa: E402
from train.arms import check_same_evaluation, make_arm, plan_arms  # noqa: E402
from train.config import load  # noqa: E402
from train.experiment import run_experiment  # noqa: E402
from train.fit.module import LossError  # noqa: E402
from train.fit.run import fit_run  # noqa: E402
from train.progress import Reporter  # noqa: E402
from train.runs import RunFolder, load_model, run_folder  # noqa: E402

QUIET = Reporter(quiet=True)


def _fit(root: Path, settings, seed=0, version="v2", runs=None):
    manifest = Manifest.open(root)
    config = load(None, settings)
    arm = make_arm(manifest.version(version), manifest.version(version), 0, config.inner)
    return fit_run(arm, seed, config, runs or root / "runs", QUIET)


def _weights(folder: RunFolder):
    return load_model(folder.path)[0].state_dict()


def _same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_arms_share_films_and_steps_and_never_touch_the_fold(tiny, settings):
    manifest = Manifest.open(tiny)
    arms = plan_arms(manifest, ["v2", "v1"], 1)
    found = run_experiment(arms, load(None, [*settings, "steps=3"]), seeds=1, reporter=QUIET)
    records = [results[0].record for results in found.results]
    assert records[0]["evaluation"] == records[1]["evaluation"]
    assert len(records[0]["evaluation"]) == 6
    assert [r["steps"] for r in records] == [3, 3]
    assert records[0]["epochs"] < records[1]["epochs"]
    assert records[0]["n_training"] > records[1]["n_training"] == 6
    for arm in found.arms:
        held = {row.group for row in arm.evaluation}
        for row in arm.training:
            assert not {arm.version.by_id[a].group for a in ancestors(arm.version, row.id)} & held
    folder = found.results[0][0].folder
    for name in ("config.yaml", "log.csv", "model.pt", "scores.csv", "run.json"):
        assert (folder.path / name).is_file(), name
    assert not folder.resume.exists()
    with open(folder.scores) as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6 * 4
    assert {row["image"] for row in rows} == set(records[0]["evaluation"])
    assert len(list(folder.predictions.rglob("*.npz"))) == 6
    again = run_experiment(arms, load(None, [*settings, "steps=3"]), seeds=1, reporter=QUIET)
    assert all(result.was_finished for results in again.results for result in results)


def test_it_learns(tiny, settings):
    """Painted bones are found: training, evaluation and the grids between them fit together."""
    result = _fit(tiny, [*settings, "steps=60", "lr=0.02"])
    with open(result.folder.scores) as stream:
        dice = [float(row["dice"]) for row in csv.DictReader(stream) if row["dice"]]
    assert sum(dice) / len(dice) > 0.6


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("patch=64", "augment=light", "ema=0.9", "schedule=plateau", "inner=0.3", "evaluate_every=4", "accumulate=2"),
    ],
)
def test_an_interrupted_run_ends_as_an_undisturbed_one(tiny, settings, more, monkeypatch):
    settings = [*settings, "architecture=deeplabv3+", "model={decoder_channels: 16}", "steps=12", "checkpoint_every=4"]
    settings += more
    whole = _fit(tiny, settings, runs=tiny / "whole")
    cut = {"at": 6}
    proper = train.fit.callbacks.Journal.on_train_batch_end

    def stop(self, trainer, *rest):
        proper(self, trainer, *rest)
        if cut["at"] and trainer.global_step >= cut["at"]:
            raise KeyboardInterrupt

    monkeypatch.setattr(train.fit.callbacks.Journal, "on_train_batch_end", stop)
    folder = run_folder(tiny / "cut", _arm(tiny, settings), load(None, settings), 0)
    with pytest.raises(KeyboardInterrupt):
        _fit(tiny, settings, runs=tiny / "cut")
    assert folder.resume.is_file()
    assert not folder.finished
    cut["at"] = 0
    resumed = _fit(tiny, settings, runs=tiny / "cut")
    assert _same(_weights(whole.folder), _weights(resumed.folder))
    assert whole.folder.scores.read_bytes() == resumed.folder.scores.read_bytes()
    steps = [line.split(",")[0] for line in resumed.folder.log.read_text().splitlines()[1:]]
    assert steps == sorted(steps, key=int)


def _arm(root, settings):
    version = Manifest.open(root).version("v2")
    return make_arm(version, version, 0, load(None, settings).inner)


def test_seeds_differ_and_repeat(tiny, settings):
    settings = [*settings, "steps=3"]
    found = [_fit(tiny, settings, seed, runs=tiny / name) for seed, name in ((0, "a"), (0, "b"), (1, "a"))]
    weights = [_weights(result.folder) for result in found]
    assert _same(weights[0], weights[1])
    assert not _same(weights[0], weights[2])


def test_loader_processes_change_nothing(tiny):
    from train.data.draws import DrawSampler, Films, make_loader
    from train.data.films import FilmStore
    from train.data.prepare import prepare

    arm = _arm(tiny, [])
    store = FilmStore(tiny / "cache", 64, arm.version.manifest.classes)
    prepare(arm.version, arm.training, store, limit=0)
    batches = []
    for workers in (0, 1):
        sampler = DrawSampler(len(arm.training), 12, seed=3)
        sampler.set_epoch(2)
        batches.append(list(make_loader(Films(arm.training, store, 3), sampler, 4, workers, False)))
    assert len(batches[0]) == 3
    for alone, helped in zip(*batches, strict=True):
        assert alone["ids"] == helped["ids"]
        assert torch.equal(alone["image"], helped["image"])
        assert torch.equal(alone["planes"], helped["planes"])


def test_draws_are_whole_permutations_whatever_the_cut():
    from train.data.draws import DrawSampler

    def draws(length, looks):
        sampler = DrawSampler(7, length, seed=5)
        found = []
        for look in range(looks):
            sampler.set_epoch(look)
            found += list(sampler)
        return found

    assert draws(6, 7) == draws(14, 3) == draws(42, 1)
    for turn in range(6):
        assert sorted(index for index, _ in draws(42, 1)[7 * turn : 7 * turn + 7]) == list(range(7))


def test_evaluation_films_survive_a_drop_and_stay_the_same(tiny, settings):
    victim = Manifest.open(tiny).version("v1").samples[0].id
    assert run(curate, ["drop", "--from", "v1", "--sample", victim, "--data", str(tiny)]) == 0
    manifest = Manifest.open(tiny)
    v1, v3 = manifest.version("v1"), manifest.version("v3")
    fold = v1.row(victim).fold
    arms = [make_arm(v, v3, fold) for v in (v3, v1)]
    check_same_evaluation(*arms)
    assert victim in {row.id for row in arms[0].evaluation}
    other = make_arm(v3, v3, 1 - fold)
    assert victim not in {row.id for row in other.training}
    assert victim in {row.id for row in make_arm(v1, v3, 1 - fold).training}


def test_arms_on_other_films_are_refused_by_name(tiny):
    victim = Manifest.open(tiny).version("v1").samples[0].id
    assert run(curate, ["drop", "--from", "v1", "--sample", victim, "--also-evaluation", "--data", str(tiny)]) == 0
    manifest = Manifest.open(tiny)
    v1, v3 = manifest.version("v1"), manifest.version("v3")
    fold = v1.row(victim).fold
    with pytest.raises(UsageError, match=f"v3: lacks 1 evaluation films that v1 has: {victim}"):
        check_same_evaluation(make_arm(v3, v3, fold), make_arm(v1, v3, fold))


def test_bad_asks_are_one_line(tiny, settings):
    manifest = Manifest.open(tiny)
    config = load(None, [*settings, "steps=1"])
    with pytest.raises(UsageError, match="--fold: 7 does not exist; split s1 has folds 0 to 1"):
        plan_arms(manifest, ["v1"], 7)
    bare = manifest.version("v1")
    bare.__dict__["fold_of"] = dict.fromkeys(bare.fold_of, 1)
    with pytest.raises(UsageError, match="v1: fold 0 has no labelled original film to evaluate on"):
        make_arm(bare, bare, 0)
    with pytest.raises(UsageError, match="--seeds"):
        run_experiment(plan_arms(manifest, ["v1"], 0), config, seeds=0, reporter=QUIET)
    with pytest.raises(UsageError, match="against itself"):
        plan_arms(manifest, ["v1", "v1"], 0)
    for fault, message in {
        "encoder=reznet50": r"neither smp nor timm has 'reznet50'; near it: resnet50, resnet50[^,]",
        "class_weights={Femur: 2}": "'Femur' is none of: ",
        "augment=[{Nonesuch: {}}]": "albumentations has no transform 'Nonesuch'",
    }.items():
        with pytest.raises(UsageError, match=message):
            _fit(tiny, [*settings, fault, "steps=1"])
    assert not (tiny / "runs").exists(), "refused before any film was decoded"


def test_a_loss_that_is_no_number_stops_and_names_the_films(tiny, settings):
    with pytest.raises(LossError, match="the batch was: ID0") as caught:
        _fit(tiny, [*settings, "steps=30", "lr=1e30", "clip=0", "optimiser=sgd"])
    assert "\n" not in str(caught.value)


def test_checkpoints_are_data_not_code(tiny, settings, tmp_path):
    result = _fit(tiny, [*settings, "steps=1"])
    made = torch.load(result.folder.model, weights_only=True)
    assert made["classes"] == list(Manifest.open(tiny).classes)
    with pytest.raises(UsageError, match="trained on another list of classes; they differ in Capitate"):
        load_model(result.folder.path, ("Radius", "Capitate"))
    evil = tmp_path / "model.pt"
    torch.save({"format": 1, "state": Path("x"), "classes": [], "config": {}}, evil)
    with pytest.raises(UsageError, match="holds pickled objects, which could run code"):
        load_model(evil)
    for length in (5000, 0):
        evil.write_bytes(result.folder.model.read_bytes()[:length])
        with pytest.raises(UsageError, match=r"model\.pt: cannot be read"):
            load_model(evil)
    torch.save({"a": torch.zeros(1)}, evil)
    with pytest.raises(UsageError, match="is no model of this package"):
        load_model(evil)


def test_a_damaged_resume_file_is_refused_not_ignored(tiny, settings):
    settings = [*settings, "steps=2"]
    folder = run_folder(tiny / "runs", _arm(tiny, settings), load(None, settings), 0)
    folder.path.mkdir(parents=True)
    folder.resume.write_bytes(b"half a file")
    with pytest.raises(CarpusError, match=r"resume\.ckpt: cannot be resumed from; delete it to begin anew"):
        _fit(tiny, settings)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    from train.fit.checkpoint import CheckpointFile, read_checkpoint

    path = tmp_path / "resume.ckpt"
    CheckpointFile().save_checkpoint({"global_step": 4}, path)

    def full(made, stream):
        stream.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(WriteError, match=r"resume\.ckpt: .*No space left on device; the one before it is kept"):
        CheckpointFile().save_checkpoint({"global_step": 8}, path)
    assert read_checkpoint(path) == {"global_step": 4}
    assert [p.name for p in tmp_path.iterdir()] == ["resume.ckpt"]


def test_what_stops_one_of_several_processes_is_told_in_one_line():
    from train.fit.optimise import _told_by_process

    config = load(None, ["batch=64"])
    text = "\n\n-- Process 1 terminated:\nTraceback (most recent call last):\n  File\n{}: the batch was: ID003/x\n"
    assert str(_told_by_process(text.format("train.fit.module.LossError"), config)) == "the batch was: ID003/x"
    assert "64 samples a device" in str(_told_by_process(text.format("torch.OutOfMemoryError"), config))
    assert _told_by_process(text.format("KeyError"), config) is None


@pytest.mark.parametrize(("encoder", "idle"), [("efficientnet-b0", True), ("resnet18", False)])
def test_weights_that_lead_nowhere_are_known_before_processes_wait_for_them(encoder, idle):
    from train.fit.devices import has_idle_weights
    from train.models.zoo import build

    config = load(None, [f"encoder={encoder}", "weights=none"])
    assert has_idle_weights(build(config, 2), config) == idle


def test_the_time_left_of_a_resumed_run_counts_what_it_did_itself(monkeypatch):
    from io import StringIO

    from rich.console import Console

    clock = iter([0.0, 20.0])
    monkeypatch.setattr("train.progress.time.monotonic", lambda: next(clock))
    out = StringIO()
    with Reporter(Console(file=out)).task("run", 100) as task:
        task.resume(80)
        task(90)
    assert "90 of 100, about 20 s left" in out.getvalue()


def test_two_processes_do_not_train_one_run(tiny, settings):
    from filelock import FileLock

    settings = [*settings, "steps=2"]
    folder = run_folder(tiny / "runs", _arm(tiny, settings), load(None, settings), 0)
    folder.path.mkdir(parents=True)
    with FileLock(folder.path / ".lock"), pytest.raises(LockedError, match="another process"):
        _fit(tiny, settings)


def test_an_unreadable_film_is_named_before_anything_is_trained(tiny, settings):
    film = next((tiny / "DCM").rglob("*.png"))
    film.write_bytes(film.read_bytes()[:200])
    with pytest.raises(CarpusError, match=film.name):
        _fit(tiny, [*settings, "steps=1"], version="v1")


def test_early_stop_looks_at_the_inner_split_only(tiny, settings):
    settings = [*settings, "steps=40", "lr=0", "inner=0.3", "evaluate_every=2", "patience=2"]
    result = _fit(tiny, settings)
    assert result.record["steps"] < 40
    arm = _arm(tiny, settings)
    assert arm.inner
    held = {row.group for row in arm.inner}
    assert not held & {row.group for row in arm.evaluation}
    for row in arm.training:
        assert not held & {arm.version.by_id[a].group for a in ancestors(arm.version, row.id)}
    assert any(line.split(",")[3] for line in result.folder.log.read_text().splitlines()[1:])
    assert json.loads(result.folder.record_file.read_text())["config"]["patience"] == 2


@pytest.mark.long
def test_two_processes_share_the_draws(tiny, settings):
    """The same samples a step as one process with twice the batch; only batch statistics differ."""
    import subprocess
    import sys

    words = ["--manifest", "v2", "--seeds", "1", "--data", str(tiny), "--json"]
    settings = [*settings, "steps=6", "inner=0.3", "evaluate_every=3"]
    for setting in (*settings, "devices=2", "batch=2", "loggers=[tensorboard]"):
        words += ["--set", setting]
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "train", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    alone = _fit(tiny, settings, runs=tiny / "alone")
    assert (found["steps"], found["epochs"]) == (6, alone.record["epochs"])
    folder = RunFolder(Path(found["runs"][0]))
    assert len((folder.path / "inner.csv").read_text().splitlines()) == 1 + 2 * 4
    assert len(list((folder.path / "tensorboard").glob("events*"))) == 2  # of the training, and of the scores
    ours, theirs = _weights(folder), _weights(alone.folder)
    moved = [name for name in ours if ours[name].is_floating_point() and not torch.equal(ours[name], theirs[name])]
    assert moved, "batch norm saw half the batch"
    close = [torch.allclose(ours[name], theirs[name], atol=0.05) for name in moved if "running" not in name]
    assert sum(close) > 0.9 * len(close)


def test_one_process_of_a_run_over_several_machines_leads(monkeypatch):
    from train.fit.ranks import leads, wait_for

    for name in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    config = load(None, ["nodes=2"])
    assert leads(config)
    for name, rank in (("NODE_RANK", "1"), ("LOCAL_RANK", "2"), ("SLURM_PROCID", "1"), ("RANK", "3")):
        monkeypatch.setenv(name, rank)
        assert not leads(config)
        assert leads(load(None, []))
    monkeypatch.setenv("RANK", "0")  # torchrun knows best
    assert leads(config)
    waited = iter([False, False, True])
    wait_for(type("Folder", (), {"finished": property(lambda self: next(waited))})(), sleep=lambda seconds: None)
    assert list(waited) == []


@pytest.mark.long
def test_two_machines_train_one_run(tiny, settings):
    """Two calls of torchrun, as on two machines with one folder: one leads, the other follows to the last seed."""
    import os
    import socket
    import subprocess
    import sys

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = ["--manifest", "v2", "--seeds", "2", "--data", str(tiny), "--json"]
    for setting in (*settings, "steps=4", "inner=0.3", "evaluate_every=2", "nodes=2", "batch=2"):
        words += ["--set", setting]
    start = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--node-rank"]
    where = ["--master-addr", "127.0.0.1", "--master-port", port, "-m", "train"]
    calls = [
        subprocess.Popen(
            [*start, str(rank), *where, *words], cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [call.communicate(timeout=600) for call in calls]
    assert [call.returncode for call in calls] == [0, 0], said[0][1] + said[1][1]
    found = json.loads(said[0][0])
    assert said[1][0] == ""
    assert found["steps"] == 4
    assert [RunFolder(Path(path)).finished for path in found["runs"]] == [True, True]
    record = json.loads(RunFolder(Path(found["runs"][1])).record_file.read_text())
    assert record["samples_per_step"] == 4
    assert len((Path(found["runs"][0]) / "inner.csv").read_text().splitlines()) == 1 + 2 * 4
