"""Tuning with a budget, and queues: equal effort, nothing lost by an interruption, nothing seen of the scored fold."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
optuna = pytest.importorskip("optuna")

import train.search.tune as tuning  # noqa: E402
from curate.errors import CarpusError, LockedError, UsageError  # noqa: E402
from curate.manifest import Manifest  # noqa: E402
from curate.terminal import run  # noqa: E402
from train.arms import plan_arms  # noqa: E402
from train.cli import app  # noqa: E402
from train.config import load  # noqa: E402
from train.data.feed import open_store  # noqa: E402
from train.progress import Reporter  # noqa: E402
from train.search.queue import find_configs, run_process, run_queue  # noqa: E402
from train.search.space import read_space  # noqa: E402
from train.search.tune import ready, tune  # noqa: E402

QUIET = Reporter(quiet=True)


def _file(folder: Path, settings, *lines: str) -> Path:
    path = folder / "tiny.yaml"
    path.write_text("\n".join([*(s.replace("=", ": ", 1) for s in settings), *lines]) + "\n")
    return path


def _study(tiny, path, trials, timeout=0.0, versions=("v2", "v1"), storage="tune.sqlite"):
    asked = load(path)
    arms = plan_arms(Manifest.open(tiny), versions, 0, ready(asked).inner)
    return tune(
        arms, asked, read_space(path, asked), trials=trials, timeout=timeout, storage=tiny / storage,
        runs=tiny / "runs", out=tiny / "best", reporter=QUIET,
    )  # fmt: skip


@pytest.fixture
def pretended(monkeypatch):
    """Trials that take no time: scored best where lr is 1e-3, called with their arm and configuration."""
    calls: list[tuple[str, float]] = []

    def trial(trial, arm, config, folder, cache, name, reporter):
        calls.append((arm.version.name, config.lr))
        if config.lr > 5e-3:
            raise CarpusError(None, "the loss is no number any more")
        trial.report(1 - abs(math.log10(config.lr) + 3), 1)
        return 1 - abs(math.log10(config.lr) + 3)

    monkeypatch.setattr(tuning, "run_trial", trial)
    return calls


def test_both_versions_get_the_same_trials_and_the_best_is_a_configuration(tiny, settings, pretended):
    path = _file(tiny, settings, "steps: 40", "tune:", "  lr: {low: 1e-4, high: 1e-2, log: true}", "  batch: [2, 4]")
    found = _study(tiny, path, 6)
    assert [one.trials for one in found] == [6, 6]
    assert [name for name, _ in pretended[:4]] == ["v2", "v1", "v2", "v1"]
    assert all(one.failed for one in found), "a trial that fails counts, and stops nothing"
    for one in found:
        config = load(one.file)
        assert config == one.config
        assert (config.steps, config.inner, config.evaluate_every) == (40, 0, 0), "trained on all patients"
        assert config.lr == pytest.approx(1e-3, rel=2.5)
        assert f"inner Dice {one.dice:.4f}" in one.file.read_text()
    again = _study(tiny, path, 6)
    assert len(pretended) == 12, "all trials were there"
    assert [one.dice for one in again] == [one.dice for one in found]


def test_an_interrupted_study_goes_on_as_an_undisturbed_one(tiny, settings, pretended, monkeypatch):
    path = _file(tiny, settings, "tune: {lr: {low: 1e-4, high: 1e-2, log: true}}")
    _study(tiny, path, 6, versions=("v2",), storage="whole.sqlite")
    whole, proper = list(pretended), tuning.run_trial
    pretended.clear()

    def stopped(trial, *rest):
        if len(pretended) == 3:
            raise KeyboardInterrupt
        return proper(trial, *rest)

    monkeypatch.setattr(tuning, "run_trial", stopped)
    with pytest.raises(KeyboardInterrupt):
        _study(tiny, path, 6, versions=("v2",))
    monkeypatch.setattr(tuning, "run_trial", proper)
    (found,) = _study(tiny, path, 6, versions=("v2",))
    assert found.trials == 6
    assert pretended == whole


def test_time_that_is_up_is_up_for_both(tiny, settings, pretended, monkeypatch):
    path = _file(tiny, settings)
    now = iter(range(100))
    monkeypatch.setattr(tuning.time, "monotonic", lambda: next(now))
    found = _study(tiny, path, 50, timeout=4)
    assert {one.trials for one in found} == {len(pretended) // 2}
    assert len(pretended) < 20


def test_trials_are_scored_on_the_inner_split_alone(tiny, settings):
    """Real trainings: a log of each, nothing decoded of the scored fold, and a file that trains."""
    path = _file(tiny, settings, "steps: 4", "inner: 0.3", "evaluate_every: 2", "tune: {lr: [1e-3, 1e-2]}")
    (found,) = _study(tiny, path, 2, versions=("v2",))
    assert (found.trials, found.steps) == (2, 8)
    logs = list((tiny / "runs/tune").rglob("log.csv"))
    last = [[line.split(",")[3] for line in log.read_text().splitlines()][-1] for log in logs]
    assert max(map(float, last)) == pytest.approx(found.dice, abs=1e-6)
    store = open_store(tiny / "runs/cache", found.config, found.arm.version.manifest.classes)
    assert all(row.digest in store for row in (*found.arm.training, *found.arm.inner))
    assert not any(row.digest in store for row in found.arm.evaluation)
    assert not list((tiny / "runs/tune").rglob("resume.ckpt"))


@pytest.mark.long
def test_a_hopeless_trial_stops_early(tiny, settings, monkeypatch):
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: trial.number > 0)
    path = _file(tiny, settings, "steps: 6", "inner: 0.3", "evaluate_every: 2", "tune: {lr: [1e-3, 1e-2]}")
    (found,) = _study(tiny, path, 2, versions=("v2",))
    assert (found.trials, found.pruned) == (2, 1)
    assert found.steps == 6 + 2
    assert not list((tiny / "runs/tune").rglob("resume.ckpt"))


def test_bad_spaces_and_storages_are_one_line(tiny, settings, pretended):
    for line, said in (
        ("tune: {stepz: [1]}", "no option is called 'stepz'"),
        ("tune: {loss: [bce, nosuch]}", "'nosuch' is none of"),
        ("tune: {lr: {low: 1, high: 0.1}}", "is no range"),
        ("tune: {lr: fast}", "neither a list of choices"),
        ("tune: {steps: [10, 20]}", "part of the budget"),
    ):
        path = _file(tiny, settings, line)
        with pytest.raises(UsageError, match=said):
            read_space(path, load(path))
    path = _file(tiny, settings)
    (tiny / "tune.sqlite").write_bytes(b"this is no database, whatever its name may say" * 100)
    with pytest.raises(UsageError, match=r"tune\.sqlite: is no storage of Optuna's"):
        _study(tiny, path, 1)
    from filelock import FileLock

    with FileLock(tiny / "other.sqlite.lock"), pytest.raises(LockedError, match="another process"):
        _study(tiny, path, 1, storage="other.sqlite")
    path = _file(tiny, settings, "tune: {lr: [1, 2]}")
    with pytest.raises(CarpusError, match="v2: no trial ended well; the first: the loss is no number"):
        _study(tiny, path, 2, storage="third.sqlite")


def test_one_failure_does_not_stop_a_queue(tmp_path, capsys):
    for name in ("b.yaml", "a.yml", "c.yaml", ".hidden.yaml", "notes.txt"):
        (tmp_path / name).write_text("steps: 1\n")
    answers = {
        "a.yml": (0, json.dumps({"dice": 0.5}), ""),
        "b.yaml": (2, "", "error: encoder: neither smp nor timm has it"),
        "c.yaml": (0, json.dumps({"overall": {"dice_b": 0.7, "delta": 0.01}}), "a note"),
    }
    told, asked = [], []

    def run_it(command):
        asked.append(command)
        return answers[Path(command[4]).name]

    done = run_queue(find_configs(tmp_path), ["--manifest", "v2"], told.append, run_it)
    assert [(one.file.name, one.ok, one.dice, one.delta) for one in done] == [
        ("a.yml", True, 0.5, None),
        ("b.yaml", False, None, None),
        ("c.yaml", True, 0.7, 0.01),
    ]
    assert done[1].why == "encoder: neither smp nor timm has it"
    assert asked[0][3:] == ["--config", str(tmp_path / "a.yml"), "--manifest", "v2", "--json"]
    assert "b.yaml failed: encoder" in told[-2]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no"):
        find_configs(tmp_path / "empty")
    code, out, last = run_process(["sh", "-c", "echo {}; echo first >&2; kill -9 $$"])
    assert (code, out, last) == (-9, "{}\n", "was ended by signal 9 (out of memory?)")


def test_batch_says_what_fits(capsys):
    words = ["batch", "--set", "encoder=resnet18", "--set", "weights=none", "--set", "size=64", "--json"]
    assert run(app, words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["batch"] >= 1
    assert (found["size"], found["classes"]) == (64, 29)


@pytest.mark.long
def test_a_queue_of_real_trainings_resumes(tiny, settings, tmp_path, capfd):
    _file(tmp_path, settings, "steps: 2")
    (tmp_path / "bad.yaml").write_text("encoder: nosuch\nsteps: 1\n")
    words = ["queue", str(tmp_path), "--manifest", "v2", "--seeds", "1", "--data", str(tiny), "--json"]
    for _ in range(2):
        assert run(app, words) == 2
        bad, good = json.loads(capfd.readouterr().out)["configs"]
        assert "neither smp nor timm has 'nosuch'" in bad["why"]
        assert good["ok"]
        assert good["result"]["steps"] == 2
    assert len(list((tiny / "runs").rglob("run.json"))) == 1
