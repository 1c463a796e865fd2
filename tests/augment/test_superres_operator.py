"""The operator: planned, measured, made, resumed, refused, rebuilt, and shown on a page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from augment.make import make_version
from augment.plan.superres import Superres
from augment.rebuild import rebuild
from augment.superres import pixelfilter
from augment.superres.engine import load_network
from augment.superres.errors import EdgesMovedError, WeightsError
from augment.superres.page import write_page
from augment.superres.resample import shrink
from augment.superres.restore import Settings
from augment.superres.weights import find_weights
from augment.superres.windows import choose_windows
from curate.errors import CarpusError, RecipeError, UsageError
from curate.ingest import ingest
from curate.manifest import Manifest
from curate.sample.read import SampleReader
from curate.verify import verify_manifest
from tests.augment.superres_nets import compact_state, save
from tests.phantoms import tiny_set

BIN = Path(sys.executable).parent


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def net(tmp_path):
    """Weights of a tiny network, in a user's file."""
    return str(save(compact_state(), tmp_path / "tiny.pth"))


def _paint(root: Path) -> None:
    """Give the tiny films bones with edges, where their labels say."""
    for path in sorted((root / "DCM").rglob("*.png")):
        labels = json.loads((root / "outputs_json" / path.parent.name / f"{path.stem}.json").read_text())
        film = np.full((96, 96), 50, np.uint8)
        for k, annotation in enumerate(labels["annotations"]):
            cv2.fillPoly(film, [np.array(annotation["points"], np.int32)], 130 + 20 * k, cv2.LINE_AA)
        noise = np.random.default_rng(len(path.stem)).normal(0, 2, film.shape)
        cv2.imwrite(str(path), np.clip(cv2.GaussianBlur(film, (0, 0), 0.8) + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def painted(tmp_path):
    root = tiny_set(tmp_path / "films", patients=6, films=1)
    _paint(root)
    return ingest(root).version


def test_films_of_their_own_size_keep_their_labels(painted, net):
    told = []
    made = make_version(painted.manifest, Superres(model=net), 4, seed=5)
    told += made.warnings
    assert (made.made, len(made.version)) == (4, 10)
    text = "\n".join(told)
    for word in ("PSNR / SSIM", "bicubic", "lanczos", "back-projection", "bone edges moved", "per megapixel"):
        assert word in text
    reader = SampleReader(made.version)
    for row in (r for r in made.version.samples if not r.is_original):
        (parent,) = row.parents
        assert (row.width, row.height, row.image is not None) == (96, 96, True)
        assert [a.geometry for a in reader.annotations(row.id)] == [a.geometry for a in reader.annotations(parent)]
        film, result = reader.film(parent).gray, reader.film(row.id).gray
        assert not np.array_equal(film, result)
        assert np.abs(shrink(film.astype(np.float32), 2) - shrink(result.astype(np.float32), 2)).max() <= 0.5
        (step,) = row.plan().filters
        assert step.params["weights"] == find_weights(net).digest
        assert step.params["model"] == "tiny.pth"  # no path of this machine
    assert verify_manifest(made.version.manifest).problems == []


@pytest.mark.parametrize("enlarge", [False, True])
def test_16_bit_films_keep_their_depth(tmp_path, net, enlarge):
    root = tiny_set(tmp_path / "films", patients=6, films=1)
    _paint(root)
    for path in sorted((root / "DCM").rglob("*.png")):
        gray = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.uint16)
        fine = np.random.default_rng(7).integers(0, 16, gray.shape, dtype=np.uint16)
        cv2.imwrite(str(path), gray * 16 + fine)  # 12 bits in a 16-bit file
    made = make_version(ingest(root).version.manifest, Superres(model=net, enlarge=enlarge), 2)
    assert any("more than 8 bits" in line for line in made.warnings)
    reader = SampleReader(made.version)
    for row in (r for r in made.version.samples if not r.is_original):
        stored = cv2.imread(str(root / row.image), cv2.IMREAD_UNCHANGED)
        film = reader.film(row.parents[0]).full
        assert (stored.dtype, film.dtype) == (np.uint16, np.uint16)
        wanted, got = (film, shrink(stored.astype(np.float32), 2))
        if not enlarge:
            wanted = shrink(film.astype(np.float32), 2)
        assert np.abs(wanted - got).max() <= 0.5  # a sixteenth of that in grey levels of 8 bits
        assert np.array_equal(reader.film(row.id).gray, stored >> 4)
    assert verify_manifest(made.version.manifest).problems == []


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarged_films_carry_their_labels_along(painted, net, scale):
    version = make_version(painted.manifest, Superres(model=net, scale=scale, enlarge=True), 2).version
    reader = SampleReader(version)
    for row in (r for r in version.samples if not r.is_original):
        (parent,) = row.parents
        assert (row.width, row.height) == (96 * scale, 96 * scale)
        for ours, theirs in zip(reader.annotations(row.id), reader.annotations(parent), strict=True):
            points = np.array(theirs.geometry.exterior.coords)
            np.testing.assert_allclose(np.array(ours.geometry.exterior.coords), (points + 0.5) * scale - 0.5)
        back = shrink(reader.film(row.id).gray.astype(np.float32), scale)
        assert np.abs(back - reader.film(parent).gray).max() <= 0.5


def test_asking_twice_is_a_no_op_and_no_more_films_than_there_are(painted, net):
    first = make_version(painted.manifest, Superres(model=net), 3, seed=1)
    again = make_version(painted.manifest, Superres(model=net), 3, seed=1)
    assert (again.existed, again.version.name) == (True, first.version.name)
    with pytest.raises(UsageError, match="--n"):
        make_version(painted.manifest, Superres(model=net), 7, source="v1")


def test_children_always_have_files(painted, net):
    with pytest.raises(UsageError, match=r"--virtual.*always have files"):
        make_version(painted.manifest, Superres(model=net), 2, virtual=True)


class _Wandering:
    """A network that shifts what it sees by a pixel and a half."""

    scale, halo, batch, device = 4, 8, 1, "cpu"

    def __call__(self, stack, margin):
        moved = np.roll(stack, 2, axis=2)[:, margin:-margin, margin:-margin]
        return moved.repeat(4, 1).repeat(4, 2)


def test_a_setting_that_moves_edges_is_refused_unless_forced(painted, net, monkeypatch):
    def wandering(*_):
        return _Wandering()

    monkeypatch.setattr("augment.superres.engine.load_network", wandering)
    monkeypatch.setattr(pixelfilter, "load_network", wandering)
    options = {"model": net, "strength": 1.0, "rounds": 0}
    with pytest.raises(EdgesMovedError, match=r"--force") as caught:
        make_version(painted.manifest, Superres(**options), 2)
    assert caught.value.exit_code == 1
    assert list(Manifest.open(painted.manifest.path).versions()) != []
    assert Manifest.open(painted.manifest.path).version().name == "v1"
    assert make_version(painted.manifest, Superres(**options, force=True), 2).made == 2


def test_an_interrupted_run_resumes_with_the_same_bytes(painted, net, tmp_path, monkeypatch):
    other = Path(shutil.copytree(painted.root, tmp_path / "other"))
    whole = make_version(Manifest.open(other), Superres(model=net), 5, seed=2).version
    network = load_network("tiny.pth", find_weights(net).digest)
    films = 0

    def failing(gray, params, seed):
        nonlocal films
        films += 1
        if films > 3:
            raise CarpusError("cpu", "out of memory")
        return real(gray, params, seed)

    real = pixelfilter.apply_superres
    with monkeypatch.context() as patch:
        patch.setattr(pixelfilter, "apply_superres", failing)
        with pytest.raises(CarpusError, match="out of memory"):
            make_version(painted.manifest, Superres(model=net), 5, seed=2)
    assert Manifest.open(painted.manifest.path).version().name == "v1"
    resumed = make_version(painted.manifest, Superres(model=net), 5, seed=2)
    assert (resumed.made, resumed.resumed) == (2, 3)
    assert [(r.id, r.file) for r in resumed.version.samples] == [(r.id, r.file) for r in whole.samples]
    assert network.scale == 4


def test_a_rebuild_gives_the_bytes_or_says_that_the_weights_are_gone(painted, net, tmp_path):
    version = make_version(painted.manifest, Superres(model=net), 2).version
    files = [version.root / r.image for r in version.samples if not r.is_original]
    bytes_before = [f.read_bytes() for f in files]
    for file in files:
        file.unlink()
    Path(net).unlink()  # kept under its digest
    result = rebuild(version)
    assert (result.made, result.pixels_differ, result.bytes_differ) == (2, [], [])
    assert [f.read_bytes() for f in files] == bytes_before
    shutil.rmtree(tmp_path / "cache")
    load_network.cache_clear()
    files[0].unlink()
    with pytest.raises(WeightsError, match=r"CARPUS_WEIGHTS"):
        rebuild(version)


def test_weights_can_be_pinned(net, tmp_path):
    digest = find_weights(net).digest
    assert Superres(model=net, weights=digest).weights == digest
    with pytest.raises(WeightsError, match="has the digest"):
        Superres(model=net, weights="sha256:" + "0" * 64)
    again = Superres(model="tiny.pth", weights=digest)  # as a version's step names it
    assert again == Superres(model=net)


def test_a_recipe_that_is_not_ours_is_one_clear_error():
    for params in ({}, {"model": "x", "weights": "y", "scale": "two"}):
        with pytest.raises((RecipeError, UsageError)):
            pixelfilter.apply_superres(np.zeros((8, 8), np.uint8), params, 0)


def test_windows_show_every_class_and_repeat(painted):
    reader = SampleReader(painted)
    windows = choose_windows(painted.samples, reader.annotations, 3)
    assert {a.label for w in windows for a in w.annotations} >= {"Radius", "Ulna", "Scaphoid", "finger-7"}
    again = choose_windows(painted.samples, reader.annotations, 3)
    assert [(w.sample, w.x, w.y) for w in windows] == [(w.sample, w.x, w.y) for w in again]
    for window in windows:
        assert window.cut(reader.film(window.sample).gray).shape == (window.edge, window.edge)


def test_the_page_shows_and_escapes(painted, net, tmp_path):
    version = make_version(painted.manifest, Superres(model=net, enlarge=True), 2).version
    edges = write_page(version, tmp_path / "page.html", films=1)
    text = (tmp_path / "page.html").read_text()
    assert text.count("<img") == 4
    assert "http" not in text
    assert set(edges) == {"Radius", "Ulna", "Scaphoid", "finger-7"}
    with pytest.raises(UsageError, match="no super-resolved"):
        write_page(painted, tmp_path / "page.html")


def test_one_worker_and_two_give_the_same_bytes(painted, net, tmp_path):
    """As a user runs them: processes of their own, which find the weights by their digest."""
    digests = []
    for workers in ("1", "2"):
        root = Path(shutil.copytree(painted.root, tmp_path / workers))
        done = subprocess.run(
            [BIN / "augment", "superres", "--n", "4", "--model", net, "--workers", workers, "--json"],
            cwd=root, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": workers},
        )
        assert done.returncode == 0, done.stderr
        assert "bone edges moved" in done.stderr
        assert json.loads(done.stdout)["made"] == 4
        digests.append({r.id: (r.file, r.label_file) for r in Manifest.find(root).version().samples})
    assert digests[0] == digests[1]


@pytest.mark.long
def test_a_2048_film_enlarged_by_four_fits_in_2_gb(tmp_path):
    """The default network's memory with few of its computations: half the width, one layer."""
    path = save(compact_state(features=64), tmp_path / "net.pth")
    code = (
        "import resource, numpy as np\n"
        "from augment.superres.network import network_of\n"
        "from augment.superres.restore import Settings, restore\n"
        "from augment.superres.weights import find_weights\n"
        "film = np.random.default_rng(0).integers(0, 256, (2048, 2048), dtype=np.uint8)\n"
        f"result = restore(film, network_of(find_weights({str(path)!r})), Settings(4, True))\n"
        "assert result.shape == (8192, 8192)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2 * 1000**2


@pytest.mark.long
def test_real_films_stay_consistent_and_keep_their_edges(hands):
    """The default network and setting on real films: only measured, nothing made."""
    from augment.superres.fidelity import assess

    version = ingest(hands).version
    reader = SampleReader(version)
    planner = Superres()
    windows = choose_windows(version.samples, reader.annotations, 1)[:6]
    network = load_network(planner.model, planner.weights)
    found = assess(windows, lambda sample: reader.film(sample).gray, network, Settings())
    found.check()
    assert found.after < 0.3 < found.before
    assert found.round_trip["this setting"][0] > found.round_trip["bicubic"][0]
