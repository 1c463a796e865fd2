"""curate init on real films, with the competition's quirks and with what goes wrong."""

import hashlib
import json
import shutil

import numpy as np
import openpyxl
import pytest

from curate.anatomy import fingers_deg, side_of
from curate.errors import CarpusError, ManifestError, UsageError
from curate.formats.meta import read_meta
from curate.ingest import few_lines, ingest
from curate.manifest import Manifest
from curate.presets import HAND_BONES
from curate.sample.image import write_png
from curate.sample.labelfile import read_labels
from curate.sample.read import SampleReader
from curate.verify import verify_manifest


def tree_digest(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.relative_to(root).as_posix().startswith("data_manifest")
    }


def sheet(path, header=("ID", "나이", "성별", "체중(몸무게)", "키(신장)", None), rows=()):
    book = openpyxl.Workbook()
    book.active.append(header)
    for row in rows:
        book.active.append(row)
    book.save(path)


def film(root, patient, name, size=64, label=None):
    write_png(root / "DCM" / patient / f"{name}.png", np.full((size, size), 9, np.uint8))
    if label is not None:
        text = label if isinstance(label, str) else json.dumps({"annotations": label})
        place = root / "outputs_json" / patient / f"{name}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def bone(label="Radius", points=((4, 4), (40, 4), (40, 50))):
    return {"id": "1", "type": "poly_seg", "attributes": {}, "points": [list(p) for p in points], "label": label}


def test_ten_real_films(hands):
    before = tree_digest(hands)
    done = ingest(hands)
    version = done.version
    assert not done.refused
    assert len(version) == 10
    assert version.classes == HAND_BONES
    assert len({r.group for r in version.samples}) == 8
    assert version.folds == 2
    assert {r.side for r in version.samples} == {"left", "right"}
    turned = {r.id for r in version.samples if 90 < r.meta["fingers_deg"] < 270}
    assert turned == {"ID004/image1698086974616"}  # the film kept with its fingers down
    assert tree_digest(hands) == before  # originals are only read
    assert verify_manifest(version.manifest).problems == []
    for group in {r.group for r in version.samples}:
        assert len({r.fold for r in version.samples if r.group == group}) == 1


def test_points_are_never_scaled_by_the_files_own_size(hands):
    version = ingest(hands).version
    row = version.samples[0]
    text = json.loads((hands / row.labels).read_text())
    assert text["metadata"] == {"height": 3060, "width": 3060}
    first = SampleReader(version).annotations(row.id)[0]
    assert np.array_equal(first.rings[0], text["annotations"][0]["points"])


def test_side_and_direction_follow_the_hand_not_the_picture(hands):
    """A film turned or mirrored as a whole: the side stays under turns and changes under mirrors."""
    from dataclasses import replace

    from curate.sample.geometry import flip_affine, rotation_about, transform_geometry

    version = ingest(hands).version
    reader = SampleReader(version)
    for row in version.samples:
        labels = reader.annotations(row.id)
        for angle in (0, 77, 180, 300):
            turned = [
                replace(a, geometry=transform_geometry(a.geometry, rotation_about(angle, (1023.5, 1023.5))))
                for a in labels
            ]
            assert side_of(turned) == row.side
            assert (fingers_deg(turned) - row.meta["fingers_deg"] - angle + 180) % 360 == pytest.approx(180, abs=0.01)
        mirrored = [replace(a, geometry=transform_geometry(a.geometry, flip_affine(2048))) for a in labels]
        assert side_of(mirrored) != row.side


def test_bad_files_are_refused_by_name_and_the_others_enter(hands):
    root = hands
    labels = sorted((root / "outputs_json").rglob("*.json"))
    films = sorted((root / "DCM").rglob("*.png"))
    films[0].write_bytes(films[0].read_bytes()[:5000])
    document = json.loads(labels[1].read_text())
    labels[1].write_text(json.dumps(document).replace("[[", "[[NaN, 3], [", 1))
    document = json.loads(labels[2].read_text())
    document["annotations"][0]["label"] = "finger-99"
    labels[2].write_text(json.dumps(document))
    document = json.loads(labels[3].read_text())
    document["annotations"][4]["points"] = [[1, 2], [3, 4]]
    labels[3].write_text(json.dumps(document))
    films[4].unlink()
    sheet(root / "meta_data.xlsx", header=("number", "나이"), rows=[(1, 30)])
    done = ingest(root)
    told = {e.path: e.detail for e in done.refused}

    def relative(path):
        return path.relative_to(root).as_posix()

    assert "truncated" in told[relative(films[0])]
    assert "not JSON" in told[relative(labels[1])]
    assert "finger-99" in told[relative(labels[2])]
    assert "fewer than 3" in told[relative(labels[3])]
    assert "picture is missing" in told[relative(labels[4])]
    assert "no ID column" in told["meta_data.xlsx"]  # no path of this machine goes into the manifest
    assert len(told) == 6
    assert len(done.version) == 5
    assert len(done.version.entry["refused"]) == 6
    assert all("\n" not in str(e) for e in done.refused)
    assert verify_manifest(done.version.manifest).problems == []


def test_patients_data_in_korean_with_junk(tmp_path):
    rows = [
        (1, 34, "남_x0008_", 70, 175, None),
        (2, "41", "여", 55.5, "160", "네일아트"),
        (950, 20, "M", None, None, None),
    ]
    sheet(tmp_path / "m.xlsx", rows=rows)
    assert read_meta(tmp_path / "m.xlsx") == {
        1: {"age": 34, "weight": 70, "height": 175, "sex": "male"},
        2: {"age": 41, "weight": 55.5, "height": 160, "sex": "female", "note": "네일아트"},
        950: {"age": 20, "sex": "male"},
    }
    (tmp_path / "x.xlsx").write_text("no spreadsheet")
    with pytest.raises(CarpusError, match="not a spreadsheet"):
        read_meta(tmp_path / "x.xlsx")
    sheet(tmp_path / "y.xlsx", rows=[(1, 34, "남", 1, 1, None), (1, 35, "남", 1, 1, None)])
    with pytest.raises(CarpusError, match="patient 1 is given twice"):
        read_meta(tmp_path / "y.xlsx")


def test_names_test_films_and_unlabelled_films(tmp_path):
    film(tmp_path / "train", "ID007", "image1_L", label=[bone(), bone("Ulna")])
    film(tmp_path / "train", "ID009", "two words '뼈'", label=[bone()])
    film(tmp_path / "train", "ID010", "image4")
    film(tmp_path / "test", "ID400", "image9")
    film(tmp_path / "test", "ID007", "image10")
    sheet(tmp_path / "meta_data.xlsx", rows=[(7, 30, "여", 1, 1, None)])
    done = ingest(tmp_path)
    rows = {r.id: r for r in done.version.samples}
    assert rows["ID007/image1_L"].side == "left"
    assert rows["ID007/image1_L"].meta["sex"] == "female"
    assert rows["ID400/image9"].split == "test"
    assert rows["ID400/image9"].fold is None
    assert rows["ID010/image4"].labels is None
    assert not rows["ID010/image4"].labelled
    assert [e.path for e in done.refused] == ["test/DCM/ID007/image10.png"]
    assert "training patient" in done.refused[0].detail


def test_any_classes_and_places(tmp_path):
    film(tmp_path, "a", "1", label=[bone("liver"), bone("tumour")])
    film(tmp_path, "b", "2", label=[bone("liver")])
    shutil.move(tmp_path / "DCM", tmp_path / "pictures")
    shutil.move(tmp_path / "outputs_json", tmp_path / "texts")
    version = ingest(tmp_path, tmp_path / "pictures", tmp_path / "texts").version
    assert version.classes == ("liver", "tumour")
    assert version.samples[0].side is None


def test_what_init_refuses(tmp_path, hands):
    with pytest.raises(UsageError, match="no folder of pictures"):
        ingest(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        ingest(tmp_path / "absent")
    (tmp_path / "DCM").mkdir()
    with pytest.raises(ManifestError, match="no film that can be read"):
        ingest(tmp_path)
    ingest(hands)
    with pytest.raises(ManifestError, match="does not write over it"):
        ingest(hands)


def test_a_link_out_of_the_root_is_refused(tmp_path):
    film(tmp_path / "set", "a", "1", label=[bone()])
    write_png(tmp_path / "elsewhere.png", np.zeros((8, 8), np.uint8))
    (tmp_path / "set/DCM/b").mkdir()
    (tmp_path / "set/DCM/b/2.png").symlink_to(tmp_path / "elsewhere.png")
    done = ingest(tmp_path / "set")
    assert [(e.path, "leaves" in e.detail) for e in done.refused] == [("DCM/b/2.png", True)]


def test_same_bytes_with_one_and_two_workers(tmp_path, real_data):
    heads = []
    for workers in (1, 2):
        root = tmp_path / str(workers) / "set"
        shutil.copytree(real_data / "hands29_second", root, copy_function=shutil.copyfile)
        ingest(root, workers=workers)
        heads.append([(root / n).read_bytes() for n in ("data_manifest.yaml", "data_manifest/v1.parquet")])
    assert heads[0] == heads[1]


def test_labels_match_the_official_mask(hands):
    """DESIGN 6: a mask in that world is cv2.fillPoly of the integer points."""
    import cv2

    from curate.sample.raster import native_mask

    version = ingest(hands).version
    row = version.samples[3]
    text = (hands / row.labels).read_bytes()
    for entry, annotation in zip(
        json.loads(text)["annotations"], read_labels(text, "x", (2048, 2048)).annotations, strict=True
    ):
        mask = np.zeros((2048, 2048), np.uint8)
        cv2.fillPoly(mask, [np.array(entry["points"])], 1)
        assert np.array_equal(native_mask(annotation, (2048, 2048)), mask.astype(bool))
    assert Manifest.find(hands).version().digest == version.digest


def test_many_alike_repairs_are_told_in_few_lines():
    texts = [f"a/{k}.json: Hamate: {k + 1} repeated points left out" for k in range(30)]
    other = "a/1.json: Lunate: self-intersection mended (0.2 px\u00b2 in doubt)"
    assert few_lines(texts[:3]) == texts[:3]
    assert few_lines([*texts, other]) == [f"30 such: {texts[0]}", other]
