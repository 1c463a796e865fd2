"""The phantom's films, labels, layout and truth."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys

import cv2
import numpy as np
import openpyxl
import pytest
from shapely.geometry import Polygon

from curate.errors import UsageError
from curate.phantom import make_film, write_phantom
from curate.phantom.anatomy import CLASSES
from curate.phantom.layout import patient_ids
from curate.phantom.schedule import FLAGS, duplicate_source, plan_oddities
from curate.phantom.write import TRUTH_COLUMNS

SIZE = 320
N = 24


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom")
    write_phantom(out, n=N, size=SIZE, seed=3, share=0.6, workers=1)
    return out


@pytest.fixture(scope="module")
def truth(dataset):
    with open(dataset / "truth.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def film_of(dataset, sample):
    image = cv2.imread(str(dataset / "train" / "DCM" / f"{sample}.png"), cv2.IMREAD_UNCHANGED)
    text = (dataset / "train" / "outputs_json" / f"{sample}.json").read_text(encoding="utf-8")
    return image, json.loads(text)


def rings_of(content):
    return {a["label"]: np.array(a["points"]) for a in content["annotations"]}


def painted(ring, size):
    canvas = np.zeros((size, size), dtype=np.uint8)
    cv2.fillPoly(canvas, [ring.astype(np.int32)], 1)
    return canvas.astype(bool)


@pytest.mark.parametrize("number", [0, 1, 5, 12])
def test_every_bone_is_labelled_by_a_valid_polygon_inside_the_frame(number):
    film = make_film(0, number, SIZE)
    rings = dict(film.labels)
    assert set(rings) == set(CLASSES)
    assert len(film.labels) == len(CLASSES)
    for name, ring in rings.items():
        assert ring.dtype == np.int64
        assert Polygon(ring).is_valid, name
        assert Polygon(ring).area > 8, name
        assert ring.min() >= 0, name
        assert ring.max() <= SIZE - 1, name


def test_silhouettes_are_where_the_bones_are_thick():
    film = make_film(4, 2, SIZE)
    for name, ring in film.labels:
        (row, column), mask = film.shadow.silhouettes[name]
        full = np.zeros((SIZE, SIZE), dtype=bool)
        full[row : row + mask.shape[0], column : column + mask.shape[1]] = mask
        label = painted(ring, SIZE)
        assert not (label & ~full).any(), name
        assert (full & ~label).sum() <= 0.02 * full.sum() + 4, name
        # one-sided: where there is bone there is displaced flesh, and other bones may lie there too
        assert (film.shadow.displaced[label] > 0).all(), name


def test_bone_is_brighter_than_the_flesh_beside_it_and_flesh_than_the_background():
    film = make_film(0, 3, 512)
    image = film.image.astype(float)
    every = np.zeros((512, 512), dtype=bool)
    for _, ring in film.labels:
        every |= painted(ring, 512)
    near = cv2.dilate(every.astype(np.uint8), np.ones((5, 5))).astype(bool) & ~every
    far = ~cv2.dilate(every.astype(np.uint8), np.ones((61, 61))).astype(bool)
    assert np.median(image[every]) > np.median(image[near]) + 25
    assert np.median(image[near]) > np.median(image[far]) + 10
    # the shell is denser than the marrow: a metacarpal's shaft is brighter along its sides than in its middle
    shaft = painted(dict(film.labels)["finger-11"], 512)
    distance = cv2.distanceTransform(shaft.astype(np.uint8), cv2.DIST_L2, 5)
    rows = np.nonzero(shaft.any(axis=1))[0]
    middle = np.zeros_like(shaft)
    middle[rows[len(rows) * 2 // 5] : rows[len(rows) * 3 // 5]] = True
    core = distance > 0.85 * distance[middle].max()
    side = (distance >= 2) & (distance < 0.5 * distance[middle].max())
    assert image[middle & side].mean() > image[middle & core].mean() + 3


@pytest.mark.parametrize("number", range(6))
def test_carpals_overlap_in_projection(number):
    rings = {name: Polygon(ring) for name, ring in make_film(1, number, SIZE).labels}
    for a, b in (("Trapezium", "Trapezoid"), ("Triquetrum", "Pisiform")):
        assert rings[a].intersection(rings[b]).area > 0.05 * rings[b].area


@pytest.mark.parametrize("number", [0, 1])
def test_the_radius_lies_on_the_thumbs_side_of_the_hand_it_says(number):
    film = make_film(0, number, SIZE)
    rings = dict(film.labels)
    thumb, little = rings["finger-3"].mean(axis=0), rings["finger-19"].mean(axis=0)
    radius, ulna = rings["Radius"].mean(axis=0), rings["Ulna"].mean(axis=0)
    right = not film.left
    assert (radius[0] < ulna[0]) == right
    assert (thumb[0] < little[0]) == right


def test_hands_of_a_patient_share_the_bones_but_not_the_film():
    right, left, other = (make_film(0, k, SIZE) for k in (6, 7, 8))
    assert right.patient.number == left.patient.number != other.patient.number
    assert right.patient.height == left.patient.height
    assert not np.array_equal(right.image, left.image)


@pytest.mark.parametrize("number", [0, 3, 9])
def test_a_rotated_hand_points_where_the_truth_says(number):
    film = make_film(2, number, SIZE, "rotated")
    rings = dict(film.labels)
    way = rings["finger-8"].mean(axis=0) - rings["Capitate"].mean(axis=0)
    degrees = np.degrees(np.arctan2(way[0], -way[1])) % 360
    told = film.truths[0].params["fingers_deg"]
    assert 45 <= told <= 315
    assert abs((degrees - told + 180) % 360 - 180) < 12


def test_a_bent_wrist_is_bent():
    def forearm(film):
        """Where the radius points, degrees clockwise from up, from the middle line of its lower part."""
        shaft = painted(dict(film.labels)["Radius"], SIZE)
        rows = np.nonzero(shaft.any(axis=1))[0]
        rows = rows[len(rows) * 3 // 5 :]
        middle = [np.nonzero(shaft[row])[0].mean() for row in rows]
        return -np.degrees(np.arctan(np.polyfit(rows, middle, 1)[0]))

    plain, bent = make_film(0, 4, SIZE), make_film(0, 4, SIZE, "bent-wrist")
    told = bent.truths[0].params["deviation_deg"]
    assert abs(told) >= 22
    turned = plain.pose.deviation - told  # a right hand: leaning ulnarly, the forearm points to the left of the hand
    assert abs(forearm(bent) - forearm(plain) - turned) < 9


def test_bent_fingers_are_foreshortened_and_boxed():
    plain, bent = make_film(0, 4, SIZE), make_film(0, 4, SIZE, "bent-finger")
    assert bent.truths
    for truth in bent.truths:
        assert truth.box is not None
        assert Polygon(dict(bent.labels)[truth.label]).area < 0.8 * Polygon(dict(plain.labels)[truth.label]).area


@pytest.mark.parametrize("kind", ["ring", "bangle", "plate", "k-wires", "nail-art"])
def test_objects_are_seen_in_their_box_and_nowhere_else(kind):
    plain, odd = make_film(0, 10, SIZE), make_film(0, 10, SIZE, kind)
    changed = odd.image.astype(int) - plain.image.astype(int)
    inside = np.zeros((SIZE, SIZE), dtype=bool)
    for truth in odd.truths:
        x0, y0, x1, y1 = (int(v) for v in truth.box)
        part = np.zeros((SIZE, SIZE), dtype=bool)
        part[y0 : y1 + 1, x0 : x1 + 1] = True
        assert changed[part].max() > 15
        inside |= part
    halo = cv2.dilate(inside.astype(np.uint8), np.ones((41, 41))).astype(bool)
    assert np.abs(changed[~halo]).mean() < 2
    assert [name for name, _ in odd.labels] == [name for name, _ in plain.labels]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(odd.labels, plain.labels, strict=True))


def test_exposure_and_inversion_change_the_grey_levels_only():
    plain = make_film(0, 11, SIZE)
    over, under, inverted = (make_film(0, 11, SIZE, k) for k in ("over-exposed", "under-exposed", "inverted"))
    assert over.truths[0].params["stops"] > 1
    assert under.truths[0].params["stops"] < -1
    assert over.image.mean() < plain.image.mean() - 10 < plain.image.mean() + 10 < under.image.mean()
    assert np.array_equal(inverted.image, 255 - plain.image)
    for film in (over, under, inverted):
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(film.labels, plain.labels, strict=True))


def test_label_faults_are_what_the_truth_says():
    plain = make_film(0, 13, SIZE)
    rings = dict(plain.labels)
    swapped, missing, shifted = (make_film(0, 13, SIZE, f"label-{k}") for k in ("swapped", "missing", "shifted"))
    for film in (swapped, missing, shifted):
        assert np.array_equal(film.image, plain.image)
    a, b = swapped.truths[0].label.split("|")
    assert np.array_equal(dict(swapped.labels)[a], rings[b])
    assert np.array_equal(dict(swapped.labels)[b], rings[a])
    assert set(CLASSES) - set(dict(missing.labels)) == {missing.truths[0].label}
    name, by = shifted.truths[0].label, shifted.truths[0].params["shift_px"]
    assert np.array_equal(dict(shifted.labels)[name], rings[name] + by)
    assert np.hypot(*by) > 0.03 * SIZE
    others = [k for k in rings if k != name]
    assert all(np.array_equal(dict(shifted.labels)[k], rings[k]) for k in others)


def test_same_seed_same_pixels_in_another_process():
    code = (
        "import hashlib; from curate.phantom import make_film; "
        f"print(hashlib.sha256(make_film(5, 3, {SIZE}, 'ring').image.tobytes()).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert told == hashlib.sha256(make_film(5, 3, SIZE, "ring").image.tobytes()).hexdigest()
    assert not np.array_equal(make_film(5, 3, SIZE).image, make_film(6, 3, SIZE).image)


def test_a_film_does_not_depend_on_how_many_there_are_nor_on_the_workers(dataset, tmp_path):
    write_phantom(tmp_path, n=7, size=SIZE, seed=3, share=0.6, workers=2)
    files = [p for p in sorted((tmp_path / "train").rglob("*")) if p.is_file()]
    assert len(files) == 14
    for path in files:
        assert path.read_bytes() == (dataset / path.relative_to(tmp_path)).read_bytes(), path.name


def test_writing_twice_gives_the_same_tables(dataset, tmp_path):
    write_phantom(tmp_path, n=4, size=256, seed=3, workers=1)
    write_phantom(tmp_path / "again", n=4, size=256, seed=3, workers=1)
    for name in ("meta_data.xlsx", "truth.csv"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_competitions_layout_and_its_quirks(dataset):
    images = sorted((dataset / "train" / "DCM").glob("ID*/image*.png"))
    assert len(images) == N
    folders = sorted({p.parent.name for p in images})
    assert len(folders) == N // 2
    assert len({p.stem for p in images}) == N
    numbers = [int(f[2:]) for f in folders]
    assert numbers != list(range(1, len(numbers) + 1)), "IDs have gaps"
    for path in images:
        sample = f"{path.parent.name}/{path.stem}"
        image, content = film_of(dataset, sample)
        assert image.dtype == np.uint8
        assert image.shape == (SIZE, SIZE)
        digits = path.stem.removeprefix("image").removesuffix("_R").removesuffix("_L")
        assert len(digits) == 13
        assert digits.isdigit()
        assert content["metadata"] == {"height": 3060, "width": 3060}
        assert content["filename"] == f"{path.stem}.jpg"
        assert content["parent_path"] == f"/{path.parent.name}"
        assert not any(key.isascii() for key in content["last_workers"])
        assert set(content) == {
            "annotations", "attributes", "file_id", "filename", "parent_path", "last_modifier_id", "metadata",
            "last_workers",
        }  # fmt: skip
        for annotation in content["annotations"]:
            assert set(annotation) == {"id", "type", "attributes", "points", "label"}
            assert annotation["type"] == "poly_seg"
            assert all(type(v) is int for point in annotation["points"] for v in point)


def test_some_names_tell_the_side_and_file_order_does_not():
    from curate.phantom.layout import film_name

    names = [film_name(0, k, 1 + k // 2) for k in range(400)]
    told = [(k, n.stem[-1]) for k, n in enumerate(names) if n.stem[-2] == "_"]
    assert 20 < len(told) < 90
    assert all(letter == "RL"[k % 2] for k, letter in told)
    first = [names[2 * p].stem < names[2 * p + 1].stem for p in range(200)]
    assert 60 < sum(first) < 140
    assert len({n.stem for n in names}) == 400
    assert patient_ids(0, 30)[:10] == patient_ids(0, 10)


def test_the_patients_table(dataset, truth):
    rows = list(openpyxl.load_workbook(dataset / "meta_data.xlsx").active.iter_rows(values_only=True))
    assert rows[0] == ("ID", "나이", "성별", "체중(몸무게)", "키(신장)", None)
    listed = {row[0]: row for row in rows[1:]}
    folders = {int(p.name[2:]) for p in (dataset / "train" / "DCM").iterdir()}
    assert folders < set(listed), "rows for more people than there are folders"
    assert any("_x0008_" in row[2] for row in listed.values())
    assert all("남" in row[2] or "여" in row[2] for row in listed.values())
    assert all(18 <= row[1] < 80 and 30 < row[3] < 140 and 130 < row[4] < 210 for row in listed.values())
    noted = {number for number, row in listed.items() if row[5]}
    assert noted == {int(row["image"][2:5]) for row in truth if row["oddity"] == "nail-art"}


def test_the_truth_table_tells_what_was_planted(dataset, truth):
    assert tuple(truth[0]) == TRUTH_COLUMNS
    plan = plan_oddities(3, N, 0.6)
    order = list(dict.fromkeys(row["image"] for row in truth))
    assert len(order) == N
    for k, sample in enumerate(order):
        rows = [row for row in truth if row["image"] == sample]
        assert rows[0]["side"] == ("right", "left")[k % 2] or plan[k] == "duplicate"
        assert {row["oddity"] for row in rows} >= {plan[k] or ""}
        assert all(row["flag"] == FLAGS.get(row["oddity"], "") for row in rows)
    missing = [row for row in truth if row["oddity"] == "label-missing"]
    assert missing
    for row in missing:
        assert row["label"] not in rings_of(film_of(dataset, row["image"])[1])


def test_a_duplicate_repeats_another_patients_film(dataset, truth):
    copies = [row for row in truth if row["oddity"] == "duplicate"]
    assert copies
    for row in copies:
        source = json.loads(row["params"])["of"]
        assert source.split("/")[0] != row["image"].split("/")[0]
        (image, labels), (other, original) = film_of(dataset, row["image"]), film_of(dataset, source)
        assert np.array_equal(image, other)
        assert {k: v.tolist() for k, v in rings_of(labels).items()} == {
            k: v.tolist() for k, v in rings_of(original).items()
        }


def test_the_plan_keeps_the_share_and_does_not_depend_on_n():
    plan = plan_oddities(0, 400, 0.3)
    assert sum(kind is not None for kind in plan) == 120
    assert plan_oddities(0, 80, 0.3) == plan[:80]
    assert {kind for kind in plan[:80] if kind} == set(FLAGS)
    assert not any(plan_oddities(0, 40, 0.0))
    assert all(plan_oddities(0, 40, 1.0))
    for seed in range(20):
        plan = plan_oddities(seed, 60, 1.0)
        for k, kind in enumerate(plan):
            if kind == "duplicate":
                assert duplicate_source(seed, k, plan) // 2 < k // 2


@pytest.mark.parametrize(
    ("change", "words"),
    [({"n": 0}, "1 or more"), ({"size": 8}, "256"), ({"seed": -1}, "negative"), ({"share": 1.5}, "0 to 1")],
)
def test_numbers_out_of_range_are_refused(tmp_path, change, words):
    with pytest.raises(UsageError, match=words):
        write_phantom(tmp_path / "x", **{"n": 2, "size": 256, **change})
    assert not (tmp_path / "x").exists()


def test_a_folder_that_holds_a_data_set_is_left_alone(dataset, tmp_path):
    before = sorted(p.relative_to(dataset) for p in dataset.rglob("*"))
    with pytest.raises(UsageError, match="already holds"):
        write_phantom(dataset, n=2, size=256)
    assert sorted(p.relative_to(dataset) for p in dataset.rglob("*")) == before
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        write_phantom(tmp_path / "file", n=2, size=256)


def test_progress_is_told_and_nothing_is_left_half_done(tmp_path):
    told = []

    def stop(films, total):
        for film in films:
            yield film
            told.append(total)
            if len(told) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path, n=3, size=256, workers=1, progress=stop)
    assert told == [3, 3]
    assert not list(tmp_path.iterdir())
