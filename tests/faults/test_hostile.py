"""Files made to hurt: one clear error each, in bounded time; and a short run of the fuzzer over every parser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest

from curate.errors import CarpusError
from curate.ingest import ingest
from curate.manifest import Manifest
from curate.sample.labelfile import read_labels
from tests.faults.fuzzing.find import Finds, at_random
from tests.faults.fuzzing.registry import targets
from tests.faults.fuzzing.target import attempt
from tests.faults.small import write_films

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*/*"))


SHORT, LONG = 30, 5_000
"""Mutations of each target in the normal suite and in the long one."""


@pytest.mark.parametrize("name", targets())
def test_what_is_mutated_can_be_read(name, tmp_path):
    target = targets()[name]
    for data in target.good:
        target.parse(data, tmp_path)


def mutated(name: str, count: int, folder: Path) -> None:
    finds = Finds(name, folder / "found")
    at_random(targets()[name], count, 7, folder, finds)
    assert not finds.kinds


@pytest.mark.parametrize("name", targets())
def test_mutated_files_are_readings_or_our_errors(name, tmp_path):
    mutated(name, SHORT, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", targets())
def test_mutated_files_at_length(name, tmp_path):
    mutated(name, LONG, tmp_path)


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_what_was_found_once(path, tmp_path):
    attempt(targets()[path.parent.name], path.read_bytes(), tmp_path)


@pytest.mark.parametrize(
    "head",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "carpus: !!python/object/apply:os.system [true]\n",
        "carpus: 1\ncarpus: 1\n",
        "[" * 10_000,
        "x: " + "9" * 100_000 + "\n",
        "\x00",
        "carpus: 2024-99-99\n",
    ],
    ids=["aliases", "tags", "twice", "deep", "digits", "nul", "date"],
)
def test_a_hostile_head_is_one_line(head, tmp_path):
    (tmp_path / "data_manifest.yaml").write_text(head)
    with pytest.raises(CarpusError) as caught:
        Manifest.open(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def rewritten(tmp_path: Path, change) -> Path:
    """A manifest whose head a stranger wrote."""
    root = write_films(tmp_path / "data")
    ingest(root, folds=2)
    path = root / "data_manifest.yaml"
    path.write_text(change(path.read_text()))
    return root


@pytest.mark.parametrize("place", ["../../../etc/passwd", "/etc/passwd", "link/x"])
def test_no_path_leaves_the_data_set(place, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x").write_bytes(b"secret")
    root = rewritten(tmp_path, lambda text: text.replace("data_manifest/v1.parquet", place))
    (root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CarpusError, match=r"leaves the data set|not a path inside"):
        _ = Manifest.open(root).version().samples


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([[0, 0], [1e308, 0], [0, 1e308]], "cannot be a pixel"),
        ([[0, 0]] * 5, "fewer than 3"),
        ([[0, 0], [1, None], [2, 2]], "finite|numbers"),
        ([[0, 0], [1, [2]], [2, 2]], "numbers"),
        ([[0, 0], {"x": 1}, [2, 2]], "numbers"),
        ("abc", "no points"),
        ([[k % 7, k % 5] for k in range(1_000_001)], "more than 1000000"),
    ],
)
def test_hostile_polygons_are_one_line(points, fault):
    data = orjson.dumps({"annotations": [{"label": "a", "points": points}]})
    with pytest.raises(CarpusError, match=fault):
        read_labels(data, "x.json", (100, 100))


def test_a_polygon_of_a_hundred_thousand_vertices_is_read():
    turn = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)
    ring = np.stack([500 + 400 * np.cos(turn), 500 + 400 * np.sin(turn)], 1).tolist()
    data = orjson.dumps({"annotations": [{"label": "a", "points": ring}]})
    shape = read_labels(data, "x.json", (1000, 1000)).annotations[0].geometry
    assert shape.area == pytest.approx(np.pi * 400**2, rel=1e-6)


def test_deep_json_and_nan_are_one_line():
    for text, fault in ((b"[" * 200_000, "not JSON"), (b'{"annotations": [NaN]}', "NaN and Infinity are not JSON")):
        with pytest.raises(CarpusError, match=fault):
            read_labels(text, "x.json", (10, 10))


def test_names_with_newlines_and_markup_are_handled(tmp_path):
    root = write_films(tmp_path / "data")
    odd = root / "train/DCM/ID000/a\n<b>.png"
    odd.write_bytes((root / "train/DCM/ID001/image1.png").read_bytes())
    version = ingest(root, folds=2).version
    assert len(version) == 9
    assert Manifest.open(root).version().row("ID000/a\n<b>").labels is None
