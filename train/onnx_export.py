"""A run as an ONNX file that needs none of this package: made, then held against torch on real films, or not kept."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from curate import terminal
from curate.errors import CarpusError, UsageError
from curate.files import write_atomically
from curate.manifest.row import SampleRow
from train.data.prepare import prepare
from train.evaluate import logits_of
from train.reopen import OpenRun, open_run
from train.upscale import logit

PRECISIONS = {"fp32": (0.9999, 0.999), "fp16": (0.998, 0.99), "int8": (0.98, 0.90)}
"""What each must reach to be kept: mean Dice between its masks and torch's over films and bones; that of the worst
bone."""
OPSET = 18
_CHECKED, _CALIBRATED = 12, 16
_SMALL = 50
"""Pixels of a mask, torch's and the file's together, below which one pixel decides its Dice: not in the worst."""


@dataclass(frozen=True)
class Agreement:
    """How far a file and torch agree on films that the run was not trained on, at the size at which it sees them.

    Attributes:
        n: films. logit: the largest difference between logits, and where the masks could differ (within 4 of the
            threshold), ``near``.
        dice: mean Dice between the masks, over films and bones. worst: mean over films of the bone that agrees least.
        bone: its name.
    """

    n: int
    logit: float
    near: float
    dice: float
    worst: float
    bone: str


def export_onnx(
    path: Path, out: Path, *, precision: str = "fp32", manifest: Path | None = None
) -> tuple[Agreement, dict[str, Any]]:
    """Write a run as ONNX.

    The file maps ``film``, float32 (n, 1, s, s) grey values in [0, 255] of films in the upper left corner of a square
    of their own background, to ``logits``, float32 (n, classes, s, s). Its metadata (``carpus``, JSON) says the
    classes, the size s, and the threshold.

    Args:
        path: the run folder. out: of the file. precision: fp32, fp16 (weights and most arithmetic) or int8 (static
            quantisation, calibrated on films that the run was trained on).
        manifest: where the data set is, when not where the run says.

    Raises:
        UsageError: an unknown precision, packages that are not installed, a network that ONNX cannot express.
        CarpusError: the file does not agree with torch; it is not kept.
    """
    if precision not in PRECISIONS:
        raise UsageError("--precision", f"{precision!r} is none of: {', '.join(PRECISIONS)}")
    _packages()
    opened = open_run(path, manifest, on=torch.device("cpu"))
    films = opened.films()[:_CHECKED]
    if not films:
        raise UsageError(path, "has no evaluation film to check the export on")
    about = {
        "version": opened.record["version"], "digest": opened.record["digest"], "classes": list(opened.classes),
        "size": side_of(opened), "whole_films": not opened.config.patch, "threshold": opened.config.threshold,
        "precision": precision,
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".onnx-") as folder:
        made = Path(folder) / "plain.onnx"
        _to_onnx(opened, made, half=precision == "fp16")
        if precision == "int8":
            made = _to_int8(made, opened)
        data = _described(made, about)
        agreed = compare(opened, data, films)
        mean, worst = PRECISIONS[precision]
        if not (agreed.dice >= mean and agreed.worst >= worst):
            raise CarpusError(
                out, f"is not written: on {agreed.n} films its masks and torch's agree at a Dice of {agreed.dice:.4f} "
                f"({agreed.bone} {agreed.worst:.4f}), not at {mean} ({worst} the worst bone)",
            )  # fmt: skip
        write_atomically(out, data)
    return agreed, about


def side_of(opened: OpenRun) -> int:
    """Pixels: the side of what the run's network sees at once."""
    return opened.config.patch or opened.config.size


def compare(opened: OpenRun, model: bytes, films: Sequence[SampleRow]) -> Agreement:
    """Hold an ONNX model against the run's network, film by film."""
    session = _session(model)
    limit = np.float32(logit(opened.config.threshold))
    largest, near, dice, counted = 0.0, 0.0, [], []
    for image in _seen(opened, films):
        ours = logits_of(opened.network, image[None], torch.device("cpu"))[0]
        (theirs,) = session.run(None, {"film": image[None, None].astype(np.float32)})
        if not np.isfinite(theirs).all():
            return Agreement(len(films), np.inf, np.inf, 0.0, 0.0, opened.classes[0])
        apart = np.abs(ours - theirs[0])
        largest = max(largest, float(apart.max()))
        close = np.abs(ours - limit) < 4
        near = max(near, float(apart[close].max(initial=0)))
        a, b = ours >= limit, theirs[0] >= limit
        sizes = (a.sum((1, 2)) + b.sum((1, 2))).astype(float)
        dice.append(np.where(sizes > 0, 2 * (a & b).sum((1, 2)) / np.maximum(sizes, 1), np.nan))
        counted.append(np.where(sizes >= _SMALL, dice[-1], np.nan))
    table, large = np.stack(dice), np.stack(counted)
    held = np.isfinite(large)
    per_bone = np.where(held, large, 0).sum(0) / np.maximum(held.sum(0), 1)
    per_bone[~held.any(0)] = 1.0
    worst = int(per_bone.argmin())
    mean = float(np.nanmean(table)) if np.isfinite(table).any() else 1.0
    return Agreement(len(films), largest, near, mean, float(per_bone[worst]), opened.classes[worst])


def _seen(opened: OpenRun, rows: Sequence[SampleRow]) -> Iterator[np.ndarray]:
    """Films as the network sees them, uint8 (s, s); of a network of patches the middle of each."""
    side = side_of(opened)
    for row in rows:
        image = opened.store.get(row.digest).image
        if opened.config.patch:
            top, left = (max(0, (n - side) // 2) for n in image.shape)
            patch = image[top : top + side, left : left + side]
            image = np.zeros((side, side), np.uint8)
            image[: patch.shape[0], : patch.shape[1]] = patch
        yield np.array(image)


def _packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError("--onnx", f"needs {error.name}: pip install 'carpus[onnx]'") from None


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, torch.get_num_threads())
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _to_onnx(opened: OpenRun, path: Path, half: bool) -> None:
    side, network = side_of(opened), opened.network.eval()
    if half:
        network = copy.copy(network)  # shares all but its list of parts
        network._modules = {**network._modules, "body": _HalfBody(network.body)}
    example = torch.zeros(2, 1, side, side)
    with _silence():
        try:
            torch.onnx.export(
                network, (example,), path, input_names=["film"], output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("n")},), opset_version=OPSET, dynamo=True, external_data=False,
                verbose=False,
            )  # fmt: skip
        except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UsageError(opened.path, f"its network cannot be expressed in ONNX: {reason}") from error


class _HalfBody(nn.Module):
    """A network's body in half precision between an input and an output in single precision."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = copy.deepcopy(body).half()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.body(x.half())
        return (out["out"] if isinstance(out, dict) else out).float()


def _to_int8(path: Path, opened: OpenRun) -> Path:
    """Weights of each channel and activations in 8 bits, ranges from films that the run was trained on."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    rows = [r for r in opened.version.samples if r.is_original and r.fold not in (opened.record["fold"], None)]
    rows = rows[:: max(1, len(rows) // _CALIBRATED)][:_CALIBRATED]
    prepare(opened.version, rows, opened.store, limit=int(opened.config.cache_gb * 2**30))

    class Films(CalibrationDataReader):
        def __init__(self) -> None:
            self.films = _seen(opened, rows)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.films, None)
            return None if image is None else {"film": image[None, None].astype(np.float32)}

    ready, made = path.with_name("ready.onnx"), path.with_name("int8.onnx")
    with _silence():
        quant_pre_process(path, ready, skip_symbolic_shape=True)
        quantize_static(
            ready, made, Films(), quant_format=QuantFormat.QDQ, per_channel=True, weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8, reduce_range=True,  # with 8 bits the sums saturate on most processors
        )  # fmt: skip
    return made


def _described(path: Path, about: dict[str, Any]) -> bytes:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"carpus": json.dumps(about)})
    onnx.checker.check_model(model)
    return model.SerializeToString()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What exporters say of themselves, kept out of our output."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), open(os.devnull, "w") as nowhere:
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(nowhere):
                yield
    finally:
        logging.disable(before)


def export_command(run: Path, out: Path, precision: str, data: Path | None, as_json: bool) -> int:
    """``train export --onnx``: writes the file and says how far it agrees with torch."""
    agreed, about = export_onnx(run, out, precision=precision, manifest=data)
    size = out.stat().st_size
    if as_json:
        terminal.print_json({"out": str(out), "bytes": size, **about, "agreement": asdict(agreed)})
        return 0
    terminal.say(f"{out}: {size / 2**20:.1f} MiB, {about['size']} pixels, {len(about['classes'])} classes")
    terminal.say(
        f"against torch on {agreed.n} films: logits differ by at most {agreed.logit:.2g} ({agreed.near:.2g} near the "
        f"threshold), masks agree at a Dice of {agreed.dice:.5f}, {agreed.bone} least with {agreed.worst:.4f}"
    )
    return 0
