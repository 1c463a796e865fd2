"""What other tools write, quirks and all: imported as meant, or refused by name."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import orjson
import pytest
from PIL import Image as PillowImage
from shapely import Point, box

from curate.errors import CarpusError
from curate.export import export
from curate.formats.voc import _usual
from curate.ingest import ingest
from curate.sample.image import write_png
from curate.sample.read import SampleReader

W, H = 64, 48
RING = [5, 5, 20, 6, 18, 20, 6, 18]
ENTRY = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [RING], "bbox": [5, 5, 15, 15], "iscrowd": 0}
IMAGE = {"id": 1, "file_name": "a.png", "width": W, "height": H}
RUNS = {"size": [float(H), float(W)], "counts": [100.0, 10, H * W - 110]}
LINE = "0 0.1 0.1 0.5 0.1 0.4 0.5\n"
SHAPE = {"label": "Radius", "points": [[5, 5], [20, 6], [18, 20]], "shape_type": "polygon"}


def laid(root: Path, files: dict[str, bytes | str | dict | list], pictures=("images/a.png",)) -> Path:
    for name in pictures:
        write_png(root / name, np.full((H, W), 90, np.uint8))
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (root / name).write_bytes(data if isinstance(data, bytes) else orjson.dumps(data))
    return root


def read(root: Path, kind: str, **options):
    """(sample -> label -> region, classes) of what was read, refusing nothing."""
    done = ingest(root, kind=kind, **options)
    assert done.refused == ()
    reader = SampleReader(done.version)
    samples = [r for r in done.version.samples if r.labelled]
    return {r.id: {a.label: a.geometry for a in reader.annotations(r.id)} for r in samples}, done.version.classes


def coco(image=(), entry=(), categories=None) -> dict:
    named = categories or [{"id": 1, "name": "Radius", "supercategory": "bone"}]
    return {"images": [IMAGE | dict(image)], "annotations": [ENTRY | dict(entry)], "categories": named}


@pytest.mark.parametrize("document", [
    b"\xef\xbb\xbf" + orjson.dumps(coco()),
    coco({"id": 1.0, "width": 64.0, "height": 48.0}, {"image_id": 1.0, "category_id": 1.0}),
    coco({}, {"image_id": "1"}),
    coco({"width": 0, "height": None}),
    coco({"width": None}, {"segmentation": RUNS}),
    coco({"file_name": "images\\a.png"}),
    coco({"file_name": "/data/local-files/?d=upload/a.png"}),
    coco({}, {}, [{"id": 1, "name": "Radius"}, {"id": 90, "name": "Radius"}]),
], ids=["mark", "floats", "texts", "no-size", "runs", "backslash", "address", "same-name"])  # fmt: skip
def test_coco_of_other_tools(document, tmp_path):
    found, classes = read(laid(tmp_path, {"annotations/x.json": document}), "coco")
    assert classes == ("Radius",)
    assert found["a"]["Radius"].area == (10 if document == coco({"width": None}, {"segmentation": RUNS}) else 183)


def test_roboflows_head_of_categories_is_no_class(tmp_path):
    named = [{"id": 0, "name": "hands", "supercategory": "none"}, {"id": 1, "name": "Ulna", "supercategory": "hands"},
             {"id": 2, "name": "Radius", "supercategory": "hands"}]  # fmt: skip
    document = coco({"id": 0, "file_name": "a_png.rf.12.png"}, {"id": 0, "image_id": 0, "category_id": 2}, named)
    root = laid(tmp_path, {"train/_annotations.coco.json": document}, ["train/a_png.rf.12.png"])
    assert read(root, "coco")[1] == ("Ulna", "Radius")


@pytest.mark.parametrize(("document", "fault"), [
    (coco({}, {"segmentation": [[]]}), "annotation 1 has a polygon of fewer than 3 points"),
    (coco({}, {"segmentation": [[1, 1, 2, 2], RING]}), "annotation 1 has a polygon of fewer than 3 points"),
    (coco({}, {"segmentation": []}), "annotation 1 has no segmentation"),
    (coco() | {"images": [IMAGE, IMAGE | {"file_name": "b.png"}]}, "another image has its id 1"),
])  # fmt: skip
def test_coco_without_an_outline_or_with_an_id_twice_is_refused(document, fault, tmp_path):
    root = laid(tmp_path, {"annotations/x.json": document}, ["images/a.png", "images/b.png"])
    with pytest.raises(CarpusError, match=fault):
        ingest(root, kind="coco")


def test_yolo_of_roboflow_has_its_folders_the_other_way_round(tmp_path):
    files = {"data.yaml": "train: ../train/images\nnc: 1\nnames: ['Radius']\n", "train/labels/a.txt": LINE,
             "valid/labels/b.txt": LINE, "test/labels/c.txt": LINE}  # fmt: skip
    root = laid(tmp_path, files, ["train/images/a.png", "valid/images/b.png", "test/images/c.png"])
    done = ingest(root, kind="yolo")
    assert {r.id: (r.split, r.labels is not None) for r in done.version.samples} == {
        "a": ("train", True), "b": ("train", True), "c": ("test", True)}  # fmt: skip


@pytest.mark.parametrize(("files", "pictures"), [
    ({"classes.txt": "Radius\n", "notes.json": "{}", "labels/a.txt": LINE}, ["images/a.png"]),
    ({"data.yaml": 'names: {"0": Radius}', "labels/a.txt": LINE.replace("0 ", "0.0 ", 1)}, ["images/a.png"]),
    ({"data.yml": "names: [Radius]", "a.txt": LINE}, ["a.png"]),
], ids=["label-studio", "numbers", "beside"])  # fmt: skip
def test_yolo_of_other_tools(files, pictures, tmp_path):
    found, classes = read(laid(tmp_path, files, pictures), "yolo")
    assert (list(found["a"]), classes) == (["Radius"], ("Radius",))


def test_yolo_labels_that_no_picture_has_are_named(tmp_path):
    root = laid(tmp_path, {"data.yaml": "names: [a]", "train/labels/a.txt": LINE, "train/labels/b.txt": LINE},
                ["train/images/a.png"])  # fmt: skip
    assert [e.path for e in ingest(root, kind="yolo").refused] == ["train/labels/b.txt"]
    with pytest.raises(CarpusError, match="holds no YOLO labels"):
        ingest(laid(tmp_path / "x", {"data.yaml": "names: [a]"}), kind="yolo")


def labelme(*shapes: dict) -> dict:
    return {"version": "6.3.1", "flags": {}, "shapes": [SHAPE, *shapes], "imagePath": "..\\a.png", "imageWidth": W,
            "imageHeight": H, "imageData": None}  # fmt: skip


def masked(x: float, y: float) -> dict:
    stream, pixels = io.BytesIO(), np.zeros((11, 16), bool)
    pixels[2:8, 3:12] = True
    PillowImage.fromarray(pixels).save(stream, "PNG")
    text = base64.b64encode(stream.getvalue()).decode()
    return {"label": "Ulna", "points": [[x, y], [x + 15, y + 10]], "shape_type": "mask", "mask": text}


@pytest.mark.parametrize(("shape", "region"), [
    (masked(10.0, 12.0), box(12.5, 13.5, 21.5, 19.5)),
    ({"label": "Ulna", "points": [[20, 20], [30, 20], [30, 30], [20, 30]], "shape_type": "oriented_rectangle"},
     box(20, 20, 30, 30)),
    ({"label": "Ulna", "points": [[20, 20], [30, 30]], "shape_type": "rectangle"}, box(20, 20, 30, 30)),
    ({"label": "Ulna", "points": [[20, 20], [29, 20]], "shape_type": "circle"}, Point(20, 20).buffer(9, 64)),
], ids=["mask", "oriented", "rectangle", "circle"])  # fmt: skip
def test_labelmes_other_shapes(shape, region, tmp_path):
    found, _ = read(laid(tmp_path, {"a.json": labelme(shape)}, ["a.png"]), "labelme")
    assert found["a"]["Ulna"].symmetric_difference(region).area < 0.003 * region.area


@pytest.mark.parametrize("shape", [
    {"label": "Ulna", "points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "%%"},
    {"label": "Ulna", "points": [[1, 1]], "shape_type": "mask", "mask": "aGVsbG8="},
    {"label": "Ulna", "points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "aGVsbG8="},
    {"label": "Ulna", "points": [[1, 1]], "shape_type": "circle"},
])  # fmt: skip
def test_a_film_whose_labels_are_refused_does_not_enter_as_unlabelled(shape, tmp_path):
    with pytest.raises(CarpusError, match=r"a\.json"):
        ingest(laid(tmp_path, {"a.json": labelme(shape)}, ["a.png"]), kind="labelme")


def cvat(inner: str) -> str:
    return f'<annotations><image id="0" name="a.png" width="{W}" height="{H}">{inner}</image></annotations>'


@pytest.mark.parametrize(("element", "region"), [
    ('<box label="Ulna" xtl="20" ytl="10" xbr="40" ybr="20" rotation="90"/>', box(25, 5, 35, 25)),
    ('<ellipse label="Ulna" cx="30" cy="20" rx="9" ry="9"/>', Point(30, 20).buffer(9, 64)),
])  # fmt: skip
def test_cvats_turned_boxes_and_ellipses(element, region, tmp_path):
    found, _ = read(laid(tmp_path, {"annotations.xml": cvat(element)}), "cvat")
    assert found["a"]["Ulna"].symmetric_difference(region).area < 0.003 * region.area


def test_cvat_turns_clockwise(tmp_path):
    text = cvat('<box label="Ulna" xtl="20" ytl="19" xbr="40" ybr="21" rotation="30"/>')
    region = read(laid(tmp_path, {"annotations.xml": text}), "cvat")[0]["a"]["Ulna"]
    assert region.covers(Point(30 + 9 * np.cos(np.pi / 6), 20 + 9 * np.sin(np.pi / 6)))  # right end down


def test_cvat_for_video_is_refused_by_name(tmp_path):
    text = '<annotations><track id="0" label="a"><polygon frame="0" points="1,1;5,1;5,5"/></track></annotations>'
    with pytest.raises(CarpusError, match="is CVAT for video"):
        ingest(laid(tmp_path, {"annotations.xml": text}), kind="cvat")


def test_nnunets_ignored_pixels_are_of_no_class(tmp_path):
    plane, stream = np.zeros((H, W), np.uint8), io.BytesIO()
    plane[5:20, 5:20], plane[25:30, 5:20] = 1, 2
    PillowImage.fromarray(plane).save(stream, "PNG")
    about = {"labels": {"background": 0, "Radius": 1, "ignore": 2}}
    files = {"labelsTr/a.png": stream.getvalue(), "dataset.json": about}
    found, classes = read(laid(tmp_path / "2", files, ["imagesTr/a_0000.png"]), "nnunet")
    assert (list(found["a"]), classes) == (["Radius"], ("Radius",))
    files["dataset.json"] = {"labels": {"0": "background", "1": "Radius", "2": "Ulna"}}  # nnU-Net 1
    assert read(laid(tmp_path / "1", files, ["imagesTr/a_0000.png"]), "nnunet")[1] == ("Radius", "Ulna")
    files["dataset.json"] = {"labels": {"background": 0}, "file_ending": ".nii.gz"}
    with pytest.raises(CarpusError, match=r"\.nii\.gz"):
        ingest(laid(tmp_path / "3", files), kind="nnunet")


COLOURS = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nRadius:250,0,7::\nUlna:0,128,0::\n"
PALETTE = [0, 0, 0, 250, 0, 7, 0, 128, 0, *[9] * 756, 224, 224, 192]


@pytest.mark.parametrize(("files", "folder", "mode"), [
    ({"labelmap.txt": COLOURS}, "SegmentationClass", "RGB"),
    ({"labelmap.txt": COLOURS}, "SegmentationClass", "P"),
    ({"class_names.txt": "__ignore__\n_background_\nRadius\nUlna\n"}, "SegmentationClassPNG", "P"),
], ids=["colours", "palette", "labelme"])  # fmt: skip
def test_pascal_voc_of_other_tools(files, folder, mode, tmp_path):
    plane, stream = np.zeros((H, W), np.uint8), io.BytesIO()
    plane[5:20, 5:20], plane[25:30, 5:20], plane[40:, :9] = 1, 2, 255
    picture = PillowImage.fromarray(plane, "P")
    picture.putpalette(PALETTE)
    picture.convert(mode).save(stream, "PNG")
    files = {**files, f"{folder}/a.png": stream.getvalue(), "ImageSets/Segmentation/test.txt": "b\n"}
    done = ingest(laid(tmp_path, files, ["JPEGImages/a.png", "JPEGImages/b.png"]), kind="masks")
    assert done.version.classes == ("Radius", "Ulna")
    assert {r.id: (r.split, r.labels is None) for r in done.version.samples} == {
        "a": ("train", False), "b": ("test", True)}  # fmt: skip
    found = {a.label: a.geometry.bounds for a in SampleReader(done.version).annotations("a")}
    assert found == {"Radius": (4.5, 4.5, 19.5, 19.5), "Ulna": (4.5, 24.5, 19.5, 29.5)}


@pytest.mark.parametrize(("text", "fault"), [
    ("background:0,0,0::\nRadius:1,2,3::\n", "is of no class in labelmap.txt"),
    ("Radius:red::\n", "is not a class and a colour"),
    ("Radius:1,2,3::\nUlna:1,2,3::\n", "is not a class and a colour of its own"),
])  # fmt: skip
def test_colours_without_a_class_are_refused(text, fault, tmp_path):
    stream = io.BytesIO()
    PillowImage.new("RGB", (W, H), (9, 9, 9)).save(stream, "PNG")
    root = laid(tmp_path, {"labelmap.txt": text, "SegmentationClass/a.png": stream.getvalue()}, ["JPEGImages/a.png"])
    with pytest.raises(CarpusError, match=fault):
        ingest(root, kind="masks")


def test_pascal_vocs_own_colours():
    assert [_usual(k) for k in (0, 1, 2, 3, 8, 20)] == [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (64, 0, 0), (0, 64, 128)]  # fmt: skip


def test_geojson_with_heights_and_of_one_feature(tmp_path):
    ring = [[5, 5, 0], [20, 6, 0], [18, 20, 0], [5, 5, 0]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {"label": "x"}}
    assert read(laid(tmp_path, {"a.geojson": feature}, ["a.png"]), "geojson")[0]["a"]["x"].area == pytest.approx(106)


@pytest.mark.parametrize("kind", ["coco", "cvat", "datumaro", "geojson", "labelme", "yolo", "masks"])
def test_a_film_without_labels_stays_one_without_labels(kind, tmp_path):
    root = laid(tmp_path / "data", {"p1/a.json": labelme()}, ["p1/a.png", "p2/b.png"])
    version = ingest(root, kind="labelme").version
    export(version, tmp_path / "out", kind, lossy=kind == "masks")
    back = ingest(tmp_path / "out", kind=kind).version
    assert {r.id: r.labels is not None for r in back.samples} == {"p1/a": True, "p2/b": False}
    if kind == "yolo":  # a trainer would take it for a film that shows nothing
        listed = (tmp_path / "out/train.txt").read_text() + (tmp_path / "out/val.txt").read_text()
        assert "p2/b" not in listed
        assert "p1/a" in listed


def test_nnunet_has_no_place_for_a_film_without_labels(tmp_path):
    root = laid(tmp_path / "data", {"p1/a.json": labelme()}, ["p1/a.png", "p2/b.png"])
    version = ingest(root, kind="labelme").version
    with pytest.raises(CarpusError, match="1 films without labels"):
        export(version, tmp_path / "out", "nnunet")
    assert export(version, tmp_path / "out", "nnunet", lossy=True).samples == 1
    assert orjson.loads((tmp_path / "out/dataset.json").read_bytes())["numTraining"] == 1
