"""What would happen on a GPU, told without one: see :mod:`tests.train.pretend`."""

from __future__ import annotations

import json
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from curate.errors import CarpusError, UsageError  # noqa: E402
from curate.manifest import Manifest  # noqa: E402
from curate.terminal import run  # noqa: E402
from tests.train.conftest import BONES, runs_of  # noqa: E402
from tests.train.pretend import DEVICE, OnDevice, pretended  # noqa: E402
from train import accelerator  # noqa: E402
from train.arms import make_arm  # noqa: E402
from train.cli import app  # noqa: E402
from train.config import LOSSES, load  # noqa: E402
from train.data.draws import DrawSampler, collate, make_loader  # noqa: E402
from train.evaluate import ask  # noqa: E402
from train.fit.batch import attempt_on_gpu, too_large  # noqa: E402
from train.fit.devices import _strategy  # noqa: E402
from train.fit.module import Segmenter  # noqa: E402
from train.fit.optimise import _told_by_torch  # noqa: E402
from train.fit.run import check_options, fit_run  # noqa: E402
from train.models.zoo import Network  # noqa: E402
from train.predict.members import Member  # noqa: E402
from train.predict.predictor import Predictor  # noqa: E402
from train.progress import Reporter  # noqa: E402
from train.scores import read_scores  # noqa: E402
from train.stack import lightning  # noqa: E402

CLASSES = ("a", "b", "c")


class _Small(torch.nn.Module):
    """What a test of devices needs of a network: weights, statistics, an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.BatchNorm2d(8))
        self.head = torch.nn.Conv2d(8, len(CLASSES), 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(image).relu())


def _batch(parents: int, n: int = 4, side: int = 32) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 8, (n, parents, side, side)).astype(np.uint32)
    images = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
    weights = np.full(parents, 1 / parents, np.float32)
    return collate([{"id": str(k), "image": images[k], "planes": planes[k], "weights": weights} for k in range(n)])


def _there(batch: dict[str, Any]) -> dict[str, Any]:
    return {key: value.to(DEVICE) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}


def _module(*settings: str) -> Segmenter:
    config = load(None, ["size=32", "ema=0.9", *settings])
    module = Segmenter(Network(_Small(), 1), config, CLASSES, 0)
    module._trainer = SimpleNamespace(
        current_epoch=0, num_training_batches=9, global_step=1, accumulate_grad_batches=1, world_size=1,
        global_rank=0, sanity_checking=False, should_stop=False,
    )  # fmt: skip
    return module


def test_the_pretended_device_refuses_what_a_gpu_refuses():
    with pretended(limit=4000) as memory:
        there = torch.ones(10, 10).to(DEVICE)
        assert isinstance(there, OnDevice)
        assert (there + 1).sum().cpu() == 200
        assert memory.waits == 1
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(10, 10)
        with pytest.raises(torch.cuda.OutOfMemoryError):
            torch.zeros(1000, device=DEVICE)
        assert memory.taken == 400


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "set"])
def test_steps_and_looks_leave_no_tensor_behind_and_no_device_waiting(loss):
    alone = _module(f"loss={loss}", "class_weights={a: 2}")
    with pretended() as memory:
        module = _module(f"loss={loss}", "class_weights={a: 2}")
        module.load_state_dict(alone.state_dict())
        module.to(DEVICE)
        for one, batch in ((alone, lambda b: b), (module, _there)):
            optimiser = one.configure_optimizers()["optimizer"]
            for index, parents in enumerate((1, 2)):
                seen = batch(_batch(parents))
                waits = memory.waits
                value = one.training_step(seen, index)
                value.backward()
                torch.nn.utils.clip_grad_norm_(one.network.parameters(), 1.0)
                optimiser.step()
                one.on_train_batch_end(None, None, index)
                assert memory.waits == waits
                with torch.no_grad():
                    one.validation_step(seen, index)
            one.on_validation_epoch_end()
            one.check_losses()
            one.check_weights()
        assert all(isinstance(p, OnDevice) for p in (*module.parameters(), *module.buffers()))
        assert float(module.last_loss) == pytest.approx(float(alone.last_loss))
        assert module.inner_dice == pytest.approx(alone.inner_dice)


def _on_device(monkeypatch) -> None:
    monkeypatch.setattr(accelerator, "device", lambda: DEVICE)
    monkeypatch.setattr(accelerator, "present", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(accelerator, "free_memory", lambda: (3 << 29, 2 << 30))


@pytest.mark.parametrize("settings", [(), ("optimiser=sgd", "ema=0", "devices=2")])
def test_the_batch_that_fits_is_found_and_nothing_stays_in_memory(monkeypatch, settings):
    _on_device(monkeypatch)
    with pretended() as memory:
        module = _module("batch=64", *settings)
        fits = attempt_on_gpu(module.network, module.loss, module.config, 3)
        assert fits(6)
        assert memory.taken == 0
        memory.limit = memory.most
        assert not fits(8)
        assert memory.taken == 0
        assert str(too_large(module)) == (
            "batch: 64 samples of 32 pixels do not fit the GPU, of whose 2.0 GiB 1.5 are free; batch=6 would fit"
        )
        memory.limit = 1000
        assert "not even one would" in str(too_large(module))


def test_pictures_too_many_for_the_device_are_asked_about_in_parts_and_one_too_large_is_refused(monkeypatch):
    _on_device(monkeypatch)
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32), dtype=np.uint8)
    network = Network(_Small(), 1).eval()
    whole = ask(network, images, torch.device("cpu"), probabilities=True)
    with pretended() as memory:
        network.to(DEVICE)
        memory.most = memory.taken
        assert np.allclose(ask(network, images[:2], DEVICE, probabilities=True), whole[:2], atol=1e-6)
        memory.limit = memory.most
        assert np.allclose(ask(network, images, DEVICE, probabilities=True), whole, atol=1e-6)
        with pytest.raises(UsageError, match="96 x 64 pixels at once do not fit the GPU; a smaller --size"):
            ask(network, np.zeros((1, 64, 96), np.uint8), DEVICE)


@pytest.mark.parametrize("options", [{"window": 32}, {"tta": ("flip", "scale", "rotate")}, {"method": "hard"}])
def test_predictions_on_the_device_are_those_of_the_cpu(options):
    film = np.random.default_rng(0).integers(0, 256, (80, 70), dtype=np.uint8)
    torch.manual_seed(0)
    networks = [Network(_Small(), 1).eval() for _ in range(2)]
    members = [Member(Path("run"), n, 48, CLASSES, [0.5] * 3, np.ones(3)) for n in networks]
    alone = Predictor(members, torch.device("cpu"), **options).plane(film)
    with pretended():
        for network in networks:
            network.to(DEVICE)
        there = Predictor(members, DEVICE, **options).plane(film)
    assert (there != alone).mean() < 1e-3


def test_what_the_machine_cannot_do_is_said_before_or_in_one_line(monkeypatch):
    monkeypatch.setattr(accelerator, "present", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match="devices: 4 asked for, this machine has 2 GPUs"):
        check_options(load(None, ["devices=4"]), CLASSES)
    module = _module("devices=2")
    assert _strategy(module.config, module.network) == "ddp_spawn"  # a fork would carry the parent's CUDA with it
    sent = ForkingPickler.dumps((_module(), make_loader(["a"], DrawSampler(3, 9, 0, 2), 4, 2, False)))
    assert len(sent) > 1000
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a T4")
    assert accelerator.remark("bf16") == "bf16 is only emulated on a T4: fp16 is faster there"
    assert accelerator.remark("fp16") is None
    config = module.config
    for error, told in (
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "the GPU failed: CUDA"),
        (RuntimeError("adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but"),
         "deterministic: this network has a kernel that is not: adaptive_avg_pool2d_backward_cuda"),
        (ValueError("Expected more than 1 value per channel when training, got"), "size: 32 pixels are too few"),
    ):  # fmt: skip
        assert told in str(_told_by_torch(error, config))
    assert "two samples" in str(
        _told_by_torch(ValueError("Expected more than 1 value per channel"), load(None, ["batch=1"]))
    )
    assert _told_by_torch(RuntimeError("shapes do not match"), config) is None
    for text in ("CUDA out of memory.", "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This", "CUBLAS_STATUS_ALLOC_FAILED"):
        assert accelerator.is_short(RuntimeError(text))
    assert not accelerator.is_short(RuntimeError("CUDA error: an illegal memory access"))


@pytest.fixture
def gpu(monkeypatch):
    """Everything computes on the pretended device, Lightning's trainer too."""
    proper = lightning.Trainer

    class Accelerator(lightning.pytorch.accelerators.CPUAccelerator):
        def setup_device(self, device: torch.device) -> None:
            assert device == DEVICE

    def trainer(**given: Any) -> Any:
        strategy = lightning.pytorch.strategies.SingleDeviceStrategy(DEVICE)
        return proper(**given | {"accelerator": Accelerator(), "strategy": strategy})

    monkeypatch.setattr(lightning, "Trainer", trainer)
    monkeypatch.setattr(accelerator, "device", lambda: DEVICE)
    with pretended() as memory:
        yield memory


@pytest.mark.long
@pytest.mark.parametrize(
    "more",
    [
        ("accumulate=2", "augment=flip", "schedule=plateau", "patience=3"),
        ("patch=64", "channels_last=true", "optimiser=radam"),
    ],
)
def test_whole_runs_leave_no_tensor_behind(tiny, settings, gpu, more):
    settings = [*settings, "steps=4", "inner=0.3", "evaluate_every=2", "ema=0.9", "loggers=[tensorboard]", *more]
    manifest, config = Manifest.open(tiny), load(None, settings)
    arm = make_arm(manifest.version("v2"), manifest.version("v2"), 0, config.inner)
    result = fit_run(arm, 0, config, tiny / "runs", Reporter(quiet=True))
    assert result.record["steps"] == 4
    assert gpu.most > 1 << 20


@pytest.mark.long
def test_finished_runs_are_used_on_the_device_as_on_the_cpu(trained_copy, gpu, tmp_path, capsys):
    """Every command that computes: what it gives is what it gives on the CPU, from the same checkpoints."""
    first, second = map(str, runs_of(trained_copy))
    films = str(trained_copy / "DCM")
    scores = {(row.image, row.label): row.dice for row in read_scores(Path(first) / "scores.csv")}
    assert run(app, ["evaluate", first, "--split", "validation"]) == 0
    again = {(row.image, row.label): row.dice for row in read_scores(Path(first) / "validation" / "scores.csv")}
    assert again == pytest.approx(scores, abs=1e-4, nan_ok=True)
    assert run(app, ["predict", first, second, films, "-o", str(tmp_path / "a.csv"), "--tta", "flip", "rotate"]) == 0
    words = ["--window", "64", "--size", "96"]
    assert run(app, ["predict", first, films, "-o", str(tmp_path / "b"), "--format", "coco", *words]) == 0
    assert run(app, ["thresholds", first]) == 0
    assert run(app, ["ensemble", first, second]) == 0
    capsys.readouterr()
    assert run(app, ["errors", first, second, "--films", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["classes"]) == len(BONES)


def test_a_gpu_that_fails_is_no_traceback():
    assert isinstance(_told_by_torch(RuntimeError("CUDA error: unknown error"), load(None, [])), CarpusError)
