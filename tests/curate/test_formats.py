"""What a format can hold comes back vertex for vertex; what it cannot is counted and needs --lossy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import orjson
import pytest
import shapely

from augment.make import make_version
from augment.plan.mosaic import Mosaic
from curate.errors import CarpusError, UsageError
from curate.export import export
from curate.formats.competition import Found
from curate.formats.masks import decode_rle, encode_rle, trace
from curate.formats.patients import with_patients
from curate.formats.registry import FORMATS
from curate.ingest import ingest
from curate.manifest import Manifest
from curate.sample.image import write_png
from curate.sample.raster import coverage, label_plane
from curate.sample.read import SampleReader
from curate.verify import verify_manifest
from tests.faults.small import write_films

SIZE = (64, 48)
READABLE = [name for name in FORMATS if name != "competition"]
PLAIN = {"a": [[[5, 5], [20, 6], [18, 20], [6, 18]]], "b": [[[30, 8], [44, 9], [40, 30], [33, 22]]]}
FRACTIONS = {"a": [[[5.25, 5.5], [20.125, 6], [18, 20.75], [6, 18]]]}
OVERLAP = {"a": [[[5, 5], [25, 5], [25, 25], [5, 25]]], "b": [[[20, 20], [40, 20], [40, 40], [20, 40]]]}
PARTS = {"a": [[[2, 2], [10, 2], [10, 12]], [[30, 30], [40, 30], [40, 44]]]}
HOLE = {"a": [[[4, 4], [40, 4], [40, 40], [4, 40]]]}
IN_IT = [[10, 10], [20, 10], [20, 20], [10, 20]]


def features(shapes: dict, holes: dict) -> dict:
    """One GeoJSON document: the format that can hold everything is what the others start from."""
    result = []
    for name, parts in shapes.items():
        rings = [[[*p, p[0]], *([[*h, h[0]] for h in holes.get(name, [])] if k == 0 else [])]
                 for k, p in enumerate(parts)]  # fmt: skip
        geometry = {"type": "MultiPolygon", "coordinates": rings}
        result.append({"type": "Feature", "geometry": geometry, "properties": {"label": name}})
    return {"type": "FeatureCollection", "features": result}


def made(root: Path, shapes: dict, holes: dict | None = None):
    """A version of two patients' films with the same labels, and one film that shows nothing."""
    for k, content in (("p1", shapes), ("p2", shapes), ("p3", {})):
        gray = np.random.default_rng(3).integers(0, 255, SIZE[::-1], np.uint8)
        write_png(root / f"images/{k}/film.png", gray)
        text = root / f"labels/{k}/film.geojson"
        text.parent.mkdir(parents=True)
        text.write_bytes(orjson.dumps(features(content, holes or {})))
    return ingest(root, kind="geojson").version


def there_and_back(version, out: Path, kind: str, **options):
    export(version, out, kind, **options)
    back = ingest(out, kind=kind)
    assert back.refused == ()
    assert verify_manifest(back.version.manifest).problems == []
    assert {r.id.replace("__", "/") for r in back.version.samples} == {r.id for r in version.samples}
    return back.version


def regions(version, sample: str) -> dict[str, shapely.Geometry]:
    found: dict[str, list] = {}
    for annotation in SampleReader(version).annotations(sample):
        found.setdefault(annotation.label, []).append(annotation.geometry)
    return {name: shapely.union_all(shapes) for name, shapes in found.items()}


def vertices(version, sample: str) -> list:
    return sorted((a.label, [list(p) for p in part.exterior.coords]) for a in SampleReader(version).annotations(sample)
                  for part in a.parts)  # fmt: skip


@pytest.mark.parametrize("kind", READABLE)
@pytest.mark.parametrize("shapes", [PLAIN, FRACTIONS], ids=["integers", "fractions"])
def test_what_every_format_holds_comes_back(kind, shapes, tmp_path):
    version = made(tmp_path / "in", shapes)
    back = there_and_back(version, tmp_path / "out", kind)
    name = next(r.id for r in back.samples if "p1" in r.id)
    if FORMATS[kind].holds.vertices:
        now, then = vertices(back, name), vertices(version, "p1/film")
        assert [n for n, _ in now] == [n for n, _ in then]
        for (_, a), (_, b) in zip(now, then, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12 * max(SIZE))
    classes = tuple(shapes)
    both = ((back, name), (version, "p1/film"))
    planes = [label_plane(SampleReader(v).annotations(i), classes, SIZE) for v, i in both]
    assert np.array_equal(*planes)
    empty = back.row(name.replace("p1", "p3"))
    assert empty.labels is not None
    assert SampleReader(back).annotations(empty.id) == ()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("what", "shapes"), [("overlap", OVERLAP), ("parts", PARTS), ("holes", HOLE)])
def test_what_a_format_cannot_hold_needs_lossy(kind, what, shapes, tmp_path):
    version = made(tmp_path / "in", shapes, {"a": [IN_IT]} if what == "holes" else None)
    out = tmp_path / "out"
    if getattr(FORMATS[kind].holds, what):
        if kind != "competition":
            back = there_and_back(version, out, kind)
            name = next(r.id for r in back.samples if "p1" in r.id)
            for label, region in regions(version, "p1/film").items():
                masks = [coverage(g, SIZE) for g in (region, regions(back, name)[label])]
                assert np.array_equal(*masks)
        return
    with pytest.raises(UsageError, match="--lossy"):
        export(version, out, kind)
    assert not out.exists()
    assert export(version, out, kind, lossy=True).losses[what] == 2


def test_competition_layout_is_read_by_the_usual_loop(tmp_path):
    touching = {"a": [[[2, 2], [12, 2], [12, 12], [2, 12]], [[12, 2], [22, 2], [22, 12], [12, 12]]]}
    version = made(tmp_path / "in", touching)
    assert export(version, tmp_path / "out", "competition", ints=True).losses == {}
    document = orjson.loads((tmp_path / "out/train/outputs_json/p1/film.json").read_bytes())
    last = {e["label"]: e["points"] for e in document["annotations"]}  # the last polygon of a class wins
    assert len(document["annotations"]) == 1
    assert all(isinstance(v, int) for p in last["a"] for v in p)
    assert shapely.Polygon(last["a"]).area == 200
    again = ingest(tmp_path / "out").version
    assert {r.id for r in again.samples} == {"p1/film", "p2/film", "p3/film"}


def test_tags_patients_and_folds_survive_coco(tmp_path):
    version = made(tmp_path / "in", PLAIN)
    back = there_and_back(version, tmp_path / "out", "coco")
    assert {r.id: r.group for r in back.samples} == {r.id: r.group for r in version.samples}


def coco(tmp_path, **changes) -> Path:
    root = tmp_path / "set"
    write_png(root / "images/x.png", np.zeros(SIZE[::-1], np.uint8))
    square = [2, 2, 12, 2, 12, 12, 2, 12]
    document = {
        "images": [{"id": 7, "file_name": "x.png", "width": SIZE[0], "height": SIZE[1]}],
        "categories": [{"id": 3, "name": "bone"}, {"id": 90, "name": "Metal Implant"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "segmentation": [square], "iscrowd": 0}],
    }
    (root / "annotations.json").write_bytes(orjson.dumps({**document, **changes}))
    return root


def one(category=3, **segmentation):
    return {"annotations": [{"id": 5, "image_id": 7, "category_id": category, **segmentation}]}


def test_coco_crowds_gaps_and_several_parts(tmp_path):
    mask = np.zeros(SIZE[::-1], bool)
    mask[5:9, 3:30] = mask[20:22, 4] = True
    both = [[1, 1, 9, 1, 9, 9], [20, 20, 30, 20, 30, 30]]
    entries = [
        {"id": 1, "image_id": 7, "category_id": 90, "segmentation": encode_rle(mask), "iscrowd": 1},
        {"id": 2, "image_id": 7, "category_id": 3, "segmentation": both},
    ]
    version = ingest(coco(tmp_path, annotations=entries), kind="coco").version
    assert version.classes == ("bone", "Metal Implant")
    assert np.array_equal(coverage(regions(version, "x")["Metal Implant"], SIZE), mask)
    export(version, tmp_path / "out", "coco")
    back = orjson.loads((tmp_path / "out/annotations/instances_train.json").read_bytes())["annotations"]
    assert [len(e["segmentation"]) for e in back] == [2, 2]
    assert [e["iscrowd"] for e in back] == [1, 0]
    assert back[1]["segmentation"] == [[float(v) for v in ring] for ring in both]


def test_categories_become_tags(tmp_path):
    square = {"segmentation": [[2, 2, 12, 2, 12, 12]]}
    root = coco(tmp_path, **one(90, **square))
    with pytest.raises(UsageError, match="'Ring' is none of 'bone'"):
        ingest(root, kind="coco", tag_categories=["Ring"])
    version = ingest(root, kind="coco", tag_categories=["Metal Implant"]).version
    assert (version.classes, version.row("x").tags) == (("bone",), ("metal-implant",))
    assert SampleReader(version).annotations("x") == ()


def test_a_tag_needs_no_outline(tmp_path):
    box = {"bbox": [2, 2, 9, 9], "segmentation": []}
    done = ingest(coco(tmp_path / "coco", **one(90, **box)), kind="coco", tag_categories=["Metal Implant"])
    assert (done.refused, done.version.row("x").tags) == ((), ("metal-implant",))
    with pytest.raises(CarpusError, match=r"x.png: Metal Implant: annotation \d has no segmentation"):
        ingest(coco(tmp_path / "class", **one(90, **box)), kind="coco")
    write_png(tmp_path / "me/x.png", np.zeros(SIZE[::-1], np.uint8))
    shapes = [{"label": "Ring", "shape_type": "point", "points": [[3, 3]]},
              {"label": "tip", "shape_type": "point", "points": [[3, 3]]},
              {"label": "bone", "points": PLAIN["a"][0]}]  # fmt: skip
    (tmp_path / "me/x.json").write_bytes(orjson.dumps({"shapes": shapes}))
    done = ingest(tmp_path / "me", kind="labelme", tag_categories=["Ring"])
    assert (done.version.classes, done.version.row("x").tags) == (("bone",), ("ring",))
    assert [r.split(": ", 1)[1] for r in done.repairs] == ["tip: a point has no area and was left aside"]


@pytest.mark.parametrize("kind", [name for name in FORMATS if name != "competition"])
def test_patients_come_back_from_every_format(kind, tmp_path):
    made(tmp_path / "in", PLAIN)
    (tmp_path / "in/data_manifest.yaml").unlink()
    version = ingest(tmp_path / "in", kind="geojson", group_by="^(p)[12]", folds=2).version
    assert {r.id: r.group for r in version.samples} == {"p1/film": "p", "p2/film": "p", "p3/film": "p3"}
    export(version, tmp_path / "out", kind)
    back = ingest(tmp_path / "out", kind=kind, folds=2).version
    assert sorted(r.group for r in back.samples) == ["p", "p", "p3"]


def test_pictures_of_several_patients_tie_these_together(tmp_path):
    shapes = [_found(tmp_path, name) for name in ("a", "b", "c", "ab", "d")]
    told = {"a.png": "A", "b.png": "B", "c.png": "C", "ab.png": "A+B", "d.png": "D+E"}
    groups = [f.group for f in with_patients(shapes, tmp_path, told)]
    assert groups == ["A+B", "A+B", "C", "A+B", "D+E"]
    many = {"a.png": "+".join("ABCDEFGHIJ"), "b.png": "J", "c.png": "K", "ab.png": "K+A", "d.png": "L"}
    groups = [f.group for f in with_patients(shapes, tmp_path, many)]
    assert groups == ["A+10 more"] * 4 + ["L"]


def _found(root: Path, name: str) -> Found:
    return Found(name, name, root / f"{name}.png", None, "train")


def test_coco_in_folders_of_their_own(tmp_path):
    for place in ("train", "valid", "test"):
        write_png(tmp_path / place / "film.png", np.full(SIZE[::-1], len(place), np.uint8))
        write_png(tmp_path / place / f"{place}-alone.png", np.full(SIZE[::-1], 40 + len(place), np.uint8))
        images = [{"id": 0, "file_name": f"{place}-alone.png", "width": 64, "height": 48}]
        document = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "bone"}]}
        (tmp_path / place / "_annotations.coco.json").write_bytes(orjson.dumps(document))
    done = ingest(tmp_path, kind="coco")
    assert {r.id: r.split for r in done.version.samples} == {
        "train-alone": "train", "valid-alone": "train", "test-alone": "test"}  # fmt: skip
    assert done.repairs == ("3 pictures stand in no COCO file read here and were left out",)


def test_run_lengths_are_the_coco_apis(tmp_path):
    api = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(5)
    for _ in range(60):
        shape = tuple(int(n) for n in rng.integers(1, 40, 2))
        mask = rng.random(shape) < rng.random()
        packed = api.encode(np.asfortranarray(mask.astype(np.uint8)))
        text = {"size": list(packed["size"]), "counts": packed["counts"].decode()}
        assert np.array_equal(decode_rle(text, tmp_path, "x"), mask)
        assert np.array_equal(decode_rle(encode_rle(mask), tmp_path, "x"), mask)
        assert api.frPyObjects(encode_rle(mask), *shape)["counts"] == packed["counts"]


def test_a_traced_mask_paints_the_same_mask(tmp_path):
    rng = np.random.default_rng(6)
    for _ in range(60):
        mask = rng.random((int(rng.integers(1, 24)), int(rng.integers(1, 24)))) < rng.random()
        mask[0, 0] = True
        parts = trace(mask, tmp_path)
        shapes = [shapely.Polygon(p.outer, p.holes) for p in parts]
        assert all(s.is_valid for s in shapes)
        painted = np.any([coverage(s, mask.shape[::-1]) for s in shapes], axis=0)
        assert np.array_equal(painted, mask)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"images": {}}, "no list of images"),
        ({"categories": [{"id": 3, "name": "a"}, {"id": 3, "name": "b"}]}, "given twice"),
        ({"categories": [{"id": 3, "name": "x" * 300}]}, "not the name"),
        (one(4, segmentation=[[1, 1, 5, 1, 5, 5]]), "no category '4'"),
        (one(segmentation=[[1, 1, 5, 1, 5]]), "pairs"),
        (one(segmentation=[[1, 1, "a", 1, 5, 5]]), "not numbers"),
        (one(segmentation=[[1, 1, 2, 2]]), "fewer than 3"),
        (one(segmentation={"size": [48, 64], "counts": "~~~"}), "not compressed"),
        (one(segmentation={"size": [48, 64], "counts": [1, 2]}), "run lengths of 3"),
        (one(segmentation={"size": [10**6, 10**6], "counts": [10**12]}), "1000000 x 1000000"),
        (one(segmentation={"size": [4, 4], "counts": [8, 8]}), "not as large"),
        (one(), "no segmentation"),
        ({"images": [{"id": 7, "file_name": "../../../../etc/passwd", "width": 64, "height": 48}]}, "no picture"),
        ({"images": [{"id": 7, "file_name": "x.png", "width": 640, "height": 48}]}, "was drawn on"),
        ({"images": [{"id": 7, "file_name": "x.png", "width": "9", "height": 48}]}, "not a whole number"),
        ({"images": [{"id": [7], "file_name": "x.png"}]}, "without an id"),
        ({"annotations": [3]}, "not an object"),
        ({"annotations": [{"image_id": 99, "category_id": 3}]}, "of image 99"),
    ],
)
def test_a_bad_coco_file_is_refused_by_name(changes, fault, tmp_path):
    root = coco(tmp_path, **changes)
    try:
        refused = ingest(root, kind="coco").refused
    except CarpusError as error:
        refused = (error,)
    assert any(fault in e.detail for e in refused), refused


def test_xml_entities_are_refused(tmp_path):
    write_png(tmp_path / "images/x.png", np.zeros(SIZE[::-1], np.uint8))
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]><annotations><image name="x.png" width="64" height="48"/></annotations>'
    for text, fault in ((bomb, "document type"), ("<a>" * 99, "nested deeper"), ("<annotations>", "not XML")):
        (tmp_path / "annotations.xml").write_text(text)
        with pytest.raises(CarpusError, match=fault):
            ingest(tmp_path, kind="cvat")


def test_labels_of_another_scale_are_scaled_on_the_pixel_grid(tmp_path):
    write_png(tmp_path / "x.png", np.zeros((50, 100), np.uint8))
    points = [[-0.5, -0.5], [199.5, -0.5], [199.5, 99.5], [-0.5, 99.5]]
    shape = {"label": "a", "points": points, "shape_type": "polygon"}
    document = {"shapes": [shape], "imageWidth": 200, "imageHeight": 100, "imagePath": "x.png"}
    (tmp_path / "x.json").write_bytes(orjson.dumps(document))
    version = ingest(tmp_path, kind="labelme").version
    assert regions(version, "x")["a"].bounds == (-0.5, -0.5, 99.5, 49.5)


def test_the_source_of_imported_labels_is_verified(tmp_path):
    root = coco(tmp_path)
    version = ingest(root, kind="coco").version
    (root / "annotations.json").write_bytes((root / "annotations.json").read_bytes() + b" ")
    found = verify_manifest(version.manifest).problems
    assert [(p.path, p.kind) for p in found] == [("annotations.json", "changed")]


def test_an_export_that_fails_leaves_no_folder(tmp_path):
    version = made(tmp_path / "in", PLAIN)
    (tmp_path / "in/images/p2/film.png").unlink()
    with pytest.raises(CarpusError):
        export(version, tmp_path / "out", "coco")
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(UsageError, match="not an empty folder"):
        export(version, tmp_path / "full", "coco")


def test_real_films_in_coco_and_labelme(real_data, tmp_path):
    chest = Path(shutil.copytree(real_data / "chest", tmp_path / "chest"))
    version = ingest(chest, kind="labelme").version
    truth = orjson.loads((chest / "ARDSSevere.json").read_bytes())["shapes"]
    read = SampleReader(version).annotations("ARDSSevere")
    assert [a.label for a in read] == [s["label"] for s in truth]
    assert all([list(map(int, p)) for p in a.geometry.exterior.coords[:-1]] == s["points"]
               for a, s in zip(read, truth, strict=True) if a.rings is not None and a.geometry.geom_type == "Polygon"
               and len(a.geometry.exterior.coords) == len(s["points"]) + 1)  # fmt: skip
    place = tmp_path / "radiographs"
    place.mkdir()
    shutil.copyfile(real_data / "radiographs/fractures.coco.json", place / "fractures.coco.json")
    document = orjson.loads((place / "fractures.coco.json").read_bytes())
    (place / "images").mkdir()
    for image in document["images"][:4]:
        shutil.copyfile(real_data / "radiographs/images" / image["file_name"], place / "images" / image["file_name"])
    done = ingest(place, labels=place / "fractures.coco.json", kind="coco")
    assert len(done.version) == 4
    assert len(done.refused) == len(document["images"]) - 4
    assert Manifest.open(place).classes == ("fractured",)


@pytest.mark.parametrize("kind", ["yolo", "nnunet"])
def test_what_trainers_validate_on_are_originals_of_other_patients(kind, tmp_path):
    version = ingest(write_films(tmp_path / "in"), folds=2).version
    make_version(version.manifest, Mosaic(), 4)
    version = Manifest.open(tmp_path / "in").version()
    export(version, tmp_path / "out", kind, lossy=True)
    if kind == "yolo":
        listed = {n: (tmp_path / f"out/{n}.txt").read_text().split() for n in ("train", "val")}
        assert all((tmp_path / "out" / p).is_file() for paths in listed.values() for p in paths)
        named = {n: {p.removeprefix("./images/train/").removesuffix(".png") for p in v} for n, v in listed.items()}
    else:
        first = orjson.loads((tmp_path / "out/splits_final.json").read_bytes())[0]
        named = {n: {c.replace("__", "/") for c in first[n]} for n in ("train", "val")}
    assert named["val"] == {r.id for r in version.samples if r.is_original and r.fold == 0}
    assert named["train"] == {r.id for r in version.samples if r.fold != 0}
