"""A run as an ONNX file: the same masks without this package, or no file. Exporters are slow: ``pytest -m long``."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

import train.onnx_export as exporting  # noqa: E402
from curate.errors import CarpusError  # noqa: E402
from curate.terminal import run  # noqa: E402
from tests.train.conftest import BONES, runs_of  # noqa: E402
from train.cli import app  # noqa: E402
from train.onnx_export import compare, export_onnx  # noqa: E402
from train.reopen import open_run  # noqa: E402


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    """The file of a run, what it agreed to, and what is said in it."""
    out = tmp_path_factory.mktemp("onnx") / "deep" / "model.onnx"
    agreed, about = export_onnx(runs_of(trained)[0], out)
    return out, agreed, about


@pytest.mark.long
def test_the_file_stands_alone_and_agrees(made, trained):
    out, agreed, about = made
    assert [p.name for p in out.parent.iterdir()] == ["model.onnx"]
    assert agreed.n == 4
    assert agreed.dice > 0.9999
    assert agreed.logit < 1e-2
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    told = json.loads(session.get_modelmeta().custom_metadata_map["carpus"])
    assert told == about
    assert (told["classes"], told["size"], told["threshold"]) == (list(BONES), 64, 0.5)
    films = np.random.default_rng(0).integers(0, 255, (3, 1, 64, 64)).astype(np.float32)
    together = session.run(None, {"film": films})[0]
    alone = np.concatenate([session.run(None, {"film": film[None]})[0] for film in films])
    assert together.shape == (3, 4, 64, 64)
    assert np.abs(together - alone).max() < 1e-3


@pytest.mark.long
def test_a_file_that_disagrees_is_seen(made, trained):
    import onnx

    out, _, _ = made
    opened = open_run(runs_of(trained)[0], on=torch.device("cpu"))
    model = onnx.load(out)
    weights = max(model.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    array = onnx.numpy_helper.to_array(weights)
    weights.CopyFrom(onnx.numpy_helper.from_array(-array, weights.name))
    found = compare(opened, model.SerializeToString(), opened.films())
    assert found.dice < exporting.PRECISIONS["fp32"][0]
    assert found.logit > 0.01


@pytest.mark.long
def test_half_precision_is_kept_where_it_agrees(trained, tmp_path):
    agreed, about = export_onnx(runs_of(trained)[0], tmp_path / "half.onnx", precision="fp16")
    assert about["precision"] == "fp16"
    assert 0 < agreed.logit < 0.5, "half precision that differs nowhere is none"
    assert agreed.dice >= exporting.PRECISIONS["fp16"][0]


@pytest.mark.long
def test_what_does_not_agree_is_not_written(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(exporting.PRECISIONS, "int8", (1.1, 1.1))
    out = tmp_path / "small.onnx"
    out.write_bytes(b"an older one")
    with pytest.raises(CarpusError, match=r"is not written: on 4 films its masks and torch's agree at a Dice of 0\."):
        export_onnx(runs_of(trained)[0], out, precision="int8")
    assert out.read_bytes() == b"an older one"


def test_unknown_precisions_are_refused(trained, tmp_path, capsys):
    out = tmp_path / "x.onnx"
    assert run(app, ["export", str(runs_of(trained)[0]), "--onnx", str(out), "--precision", "fp8"]) == 2
    assert "'fp8' is none of: fp32, fp16, int8" in capsys.readouterr().err
    assert not out.exists()
