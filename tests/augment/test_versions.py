"""From operators to versions: the same bytes however made, virtual and written alike, plans, looks, counts, faults."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest

from augment import children
from augment.children import Job, plan_children
from augment.cli import app
from augment.make import make, make_version
from augment.plan import PLANNERS
from augment.plan.copy_paste import CopyPaste
from augment.plan.crop import Crop
from augment.plan.flip import Flip
from augment.plan.mosaic import Mosaic
from augment.plan.rotate import Rotate
from augment.preview import write_preview
from augment.rebuild import rebuild
from augment.runfile import read_plan
from augment.select import Selection
from augment.statistics import label_statistics, tables
from curate.errors import CarpusError, UsageError
from curate.ingest import ingest
from curate.manifest import Manifest
from curate.manifest.lineage import check_leaks
from curate.sample.read import SampleReader
from curate.sample.recipe import Recipe
from curate.verify import verify_manifest
from tests.phantoms import tiny_set

BIN = Path(sys.executable).parent

PLAN = """
name: all
seed: 3
operators:
  - crop: {n: 3, classes: [Ulna, Scaphoid], size: 64}
  - flip
  - mosaic: {n: 3, fit: mixed}
  - ricap: {n: 2}
  - ricap: {n: 2, aligned: true, beta: 1}
  - rotate: {n: 2, border: reflect, turned: true}
  - cutmix: {n: 2}
  - mixup: {n: 2}
  - copy-paste: {n: 2}
  - filter: {n: 2, apply: [CLAHE, clip_limit=3, noise, jpeg]}
  - elastic: {n: 2}
"""


def test_planning_keeps_the_polygons_of_few_films(version, monkeypatch):
    jobs = [Job(Crop(classes=("Ulna",)), 30, Selection(classes=("Ulna",))), Job(CopyPaste(), 30)]
    planned = plan_children(jobs, version, 0)
    kept = []

    class Watched(SampleReader):
        def annotations(self, sample, scale=1.0):
            found = super().annotations(sample, scale)
            kept.append(len(self._annotations))
            return found

    monkeypatch.setattr(children, "SampleReader", Watched)
    monkeypatch.setattr(children, "LABELS", 3)
    assert plan_children(jobs, version, 0) == planned
    assert max(kept) == 3


def files_of(root: Path) -> dict[str, str]:
    """Every file below a folder, by its digest; but for what names the folder or the process."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".yaml" and not path.name.startswith("."):
            found[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The same plan run twice: by one worker and by two, with other hash seeds."""
    roots = []
    for workers, hash_seed in ((1, "0"), (2, "4242")):
        root = tiny_set(tmp_path_factory.mktemp("made") / "set")
        ingest(root)
        (root / "plan.txt").write_text(PLAN)
        done = subprocess.run(
            [BIN / "augment", "run", "plan.txt", "--workers", str(workers), "--json"], cwd=root, capture_output=True,
            text=True, env=os.environ | {"PYTHONHASHSEED": hash_seed}, timeout=200, check=False,
        )
        assert done.returncode == 0, done.stderr
        roots.append((root, json.loads(done.stdout)))
    return roots


def test_one_worker_and_two_and_other_hash_seeds_give_the_same_bytes(made):
    (first, told), (second, told_too) = made
    assert told == told_too
    assert told["made"] == 34
    assert files_of(first) == files_of(second)


def test_a_virtual_version_is_the_same_version_without_files(made, tmp_path):
    (root, told), _ = made
    copy = tiny_set(tmp_path / "set")
    ingest(copy)
    (copy / "plan.yaml").write_text(PLAN)
    plan = read_plan(copy / "plan.yaml")
    virtual = make(Manifest.open(copy), plan.jobs, plan.seed, name=plan.name, virtual=True).version
    written = Manifest.open(root).version("all")
    assert told["digest"] == written.digest
    assert virtual.digest == written.digest
    assert [r.id for r in virtual.samples] == [r.id for r in written.samples]
    assert not (copy / "derived").exists()
    a, b = SampleReader(virtual), SampleReader(written)
    for row in virtual.samples:
        assert np.array_equal(a.image(row.id), b.image(row.id))
        ours, theirs = a.annotations(row.id), b.annotations(row.id)
        assert [(x.label, x.source, x.weight) for x in ours] == [(x.label, x.source, x.weight) for x in theirs]
        assert all(x.geometry.equals_exact(y.geometry, 0) for x, y in zip(ours, theirs, strict=True))
    check_leaks(virtual)


def test_rebuild_writes_a_virtual_versions_files_where_asked(tmp_path):
    copy = tiny_set(tmp_path / "set")
    version = make_version(ingest(copy).version.manifest, Mosaic(), 4, virtual=True).version
    with pytest.raises(UsageError, match="--out"):
        rebuild(version)
    with pytest.raises(UsageError, match="inside"):
        rebuild(version, out=tmp_path / "elsewhere")
    result = rebuild(version, out=copy / "files")
    assert (result.made, result.pixels_differ, result.bytes_differ) == (4, [], [])
    reader = SampleReader(version)
    for row in version.samples:
        if not row.is_original:
            picture = cv2.imread(str(copy / "files" / f"{row.id}.png"), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(picture, reader.image(row.id))


def test_rebuild_finds_the_same_bytes_and_says_when_they_are_not(made):
    (root, _), (other, _) = made
    version = Manifest.open(other).version("all")
    victim = next(r for r in version.samples if not r.is_original)
    (other / victim.image).unlink()
    result = rebuild(version)
    assert (result.made, result.present) == (1, 33)
    assert not result.pixels_differ
    assert not result.bytes_differ
    assert files_of(root) == files_of(other)


def test_the_preview_shows_every_operator_and_needs_nothing_else(made, tmp_path):
    (root, _), _ = made
    version = Manifest.open(root).version("all")
    sheet, page, shown = write_preview(version, tmp_path / "look.png", each=2, width=96)
    assert {r.recipe["operator"] for r in version.samples if r.recipe} | {"original"} == set(shown)
    picture = cv2.imread(str(sheet))
    assert picture.shape[1] == 2 * (96 + 8) + 8
    assert (picture.max(axis=2).astype(int) - picture.min(axis=2)).max() > 100  # outlines have colours
    html = page.read_text()
    assert html.count("<img") == sum(map(len, shown.values()))
    assert html.count("<path") > 50
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html
    wrong = (({"each": 0}, "--each"), ({"width": 1}, "--width"), ({"operators": ("superres",)}, "--operator"))
    for bad, fault in wrong:
        with pytest.raises(UsageError, match=fault):
            write_preview(version, tmp_path / "x.png", **bad)


def test_a_name_cannot_write_into_the_page(tmp_path):
    root = tiny_set(tmp_path / "set", patients=4)
    for folder in ("DCM", "outputs_json"):
        (root / folder / "ID001").rename(root / folder / "<script>alert(1)<b>")
    version = ingest(root).version
    _, page, _ = write_preview(version, tmp_path / "look.png", each=20, width=64)
    assert "<script" not in page.read_text()
    assert "&lt;script" in page.read_text()


def test_the_statistics_are_those_of_the_files_and_of_the_recipes(made, tmp_path):
    (root, _), _ = made
    version = Manifest.open(root).version("all")
    found = label_statistics(version)
    assert found["samples"] == {"before": 12, "after": 46}
    reader = SampleReader(version)
    ulna = next(c for c in found["classes"] if c["name"] == "Ulna")
    for when, rows in (("before", [r for r in version.samples if r.is_original]), ("after", version.samples)):
        areas = [a.geometry.area for r in rows for a in reader.annotations(r.id) if a.label == "Ulna"]
        assert ulna[when]["annotations"] == len(areas)
        assert ulna[when]["area"] == pytest.approx(sum(areas), abs=1e-2)
    counts = {o["name"]: o["samples"] for o in found["operators"]}
    assert counts["flip"] == 12
    assert counts["ricap"] == 4
    dropped = {o["name"]: sum(o["left"].values()) for o in found["operators"]}
    assert dropped["flip"] == dropped["filter"] == 0
    assert dropped["ricap"] > 0
    copy = tiny_set(tmp_path / "set")
    plan = root / "plan.txt"
    ingest(copy)
    virtual = make(Manifest.open(copy), read_plan(plan).jobs, 3, name="all", virtual=True).version
    assert label_statistics(virtual) == found
    assert len(tables(found)) == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("operators: []", "at least one operator"),
        ("operators: [twirl]", "'?twirl'?: is no operator"),
        ("operators: [{mosaic: {n: 3, speed: 4}}]", "doesn't know 'speed'"),
        ("operators: [{mosaic: {n: many}}]", "'many' is not a whole number"),
        ("operators: [{mosaic: {n: 2, jitter: true}}]", "True is not a number"),
        ("operators: [{mosaic: {n: 2, fit: wide}}]", "none of whole"),
        ("operators: [{crop: {n: 2, region: 7}}]", "not a list of words"),
        ("operators: [{mosaic: {n: 2, select: {flags: x}}}]", "doesn't know 'flags'"),
        ("operators: [{mosaic: {n: 2}, flip: {}}]", "each entry is one operator"),
        ("seeds: 4\noperators: [flip]", "doesn't know 'seeds'"),
        ("- flip", "not a mapping"),
        ("operators: [", "line"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_by_name(tmp_path, text, fault):
    plan = tmp_path / "plan.yaml"
    plan.write_text(text)
    with pytest.raises(UsageError, match=fault) as caught:
        read_plan(plan)
    assert str(caught.value).startswith(str(plan))


def test_a_plan_says_what_the_options_say(tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "from: v1\nseed: 5\noperators:\n"
        "  - mosaic: {n: 4, same-side: true, select: {without-flag: [implant, cast], where: age>=40}}\n"
        "  - rotate: {n: 2, high: 90, seed: 11}\n"
    )
    found = read_plan(plan)
    assert found.jobs == (
        Job(Mosaic(same_side=True), 4, Selection(without_flags=("implant", "cast"), where=("age>=40",))),
        Job(Rotate(high=90.0), 2, seed=11),
    )
    assert (found.seed, found.source, found.virtual) == (5, "v1", False)


def test_more_than_there_is_is_refused_and_nothing_is_named(version):
    manifest = version.manifest
    with pytest.raises(UsageError, match="13 is more than the 12 different new samples that flip gives from 12 films"):
        make_version(manifest, Flip(), 13)
    with pytest.raises(UsageError, match="no film shows any of"):
        make_version(manifest, Crop(region=("thumb",)), 3)
    with pytest.raises(UsageError, match="is more than 1000000"):
        make_version(manifest, Mosaic(), 10**12)
    with pytest.raises(UsageError, match="100000 x 100000 is more than"):  # nor may a virtual version hold it
        make_version(manifest, Mosaic(size=100_000), 2, virtual=True)
    with pytest.raises(UsageError, match="'a b' is not 1 to 64 letters"):
        make_version(manifest, Mosaic(), 2, name="a b")
    assert not (manifest.root / "derived" / "a b").exists()
    with pytest.raises(UsageError, match="none that is of those groups"):
        make_version(manifest, Mosaic(), 3, selection=Selection(groups=("ID999",)))
    with pytest.raises(UsageError, match=r"rotatoin: is no flag or tag here; there are .*rotation"):
        make_version(manifest, Mosaic(), 3, selection=Selection(without_flags=("rotatoin",)))
    with pytest.raises(UsageError, match="has no operators"):
        make(manifest, [])
    assert [v.name for v in Manifest.open(manifest.path).versions()] == ["v1"]
    done = make_version(manifest, Flip(), selection=Selection(without_flags=("implant",)))
    assert done.made == 12
    assert "no detector has looked at 12 films" in done.warnings[0]
    with pytest.raises(UsageError, match="doesn't hold"):
        make_version(manifest, Flip(), 5, seed=1)  # every film has its mirror image by now
    assert make_version(manifest, Flip(), selection=Selection(without_flags=("implant",))).existed


def test_a_parent_that_fails_its_digest_stops_the_work_and_the_rest_is_kept(version):
    manifest = version.manifest
    victim = version.samples[5]
    path = manifest.root / victim.image
    good = path.read_bytes()
    path.write_bytes(good[:-20] + bytes(20))
    with pytest.raises(CarpusError, match=r"does not match its digest") as caught:
        make_version(manifest, Flip())
    assert victim.image in str(caught.value)
    assert [v.name for v in Manifest.open(manifest.path).versions()] == ["v1"]
    path.write_bytes(good)
    finished = sorted((manifest.root / "derived/v2").rglob("*.png"))
    finished[0].write_bytes(finished[0].read_bytes()[:-1])  # what was noted is looked at before it is believed
    done = make_version(manifest, Flip())
    assert done.resumed == len(finished) - 1 > 0
    assert done.made + done.resumed == 12
    assert verify_manifest(manifest, ["v2"]).problems == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker through /proc")
def test_a_killed_worker_is_one_clear_error_and_the_work_resumes(tmp_path):
    root = tiny_set(tmp_path / "set")
    ingest(root)
    words = [BIN / "augment", "mosaic", "--n", "150", "--size", "512", "--workers", "2"]
    process = subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((root / "data_manifest").glob(".pending/*.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [c for c in children if "LokyProcess" in Path(f"/proc/{c}/cmdline").read_text()]
    os.kill(int(workers[0]), signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 2, told
    assert "worker was killed" in told
    assert "Traceback" not in told
    assert [v.name for v in Manifest.open(root).versions()] == ["v1"]
    done = make_version(Manifest.open(root), Mosaic(size=512), 150)
    assert done.resumed > 0
    assert done.resumed + done.made == 150


def test_eight_hundred_mosaics_are_planned_in_under_a_second(version):
    start = time.perf_counter()
    done = make_version(version.manifest, Mosaic(), 800, virtual=True)
    taken = time.perf_counter() - start
    assert done.made == 800
    assert not (version.root / "derived").exists()
    assert taken < 5.0  # 0.4 s on an idle core; the benchmark prints the time


def test_a_recipe_in_a_row_is_the_recipe_planned(version):
    done = make_version(version.manifest, CopyPaste(), 3, virtual=True).version
    for row in done.samples:
        if row.recipe is not None:
            recipe = Recipe.from_dict(row.recipe)
            assert recipe.to_dict() == row.recipe
            assert recipe.placements[1].labels is not None


def test_every_operator_is_a_command(version):
    done = subprocess.run([BIN / "augment", "--help"], capture_output=True, text=True, timeout=60, check=True)
    for name in (*PLANNERS, "run", "preview", "stats", "rebuild"):
        assert name in done.stdout
    once = subprocess.run(
        [BIN / "augment", "crop", "--n", "2", "--classes", "Ulna", "Radius", "--region", "carpal", "thumb", "--where",
         "width>0", "height>0", "--virtual", "--json"], cwd=version.root, capture_output=True, text=True, timeout=60,
        check=True,
    )
    name = orjson.loads(once.stdout)["version"]
    options = version.manifest.open(version.manifest.path).version(name).step["options"]
    assert options == {"region": ["carpal", "thumb"], "classes": ["Ulna", "Radius"]}


def test_words_after_an_option_are_all_its_own():
    _, found, _ = app.parse_args(
        ["filter", "--n=3", "--apply", "clahe", "clip_limit=2", "jpeg", "--pick=1", "--classes", "Ulna", "Hamate"],
        exit_on_error=False, print_error=False,
    )
    assert found.arguments["options"].apply == ("clahe", "clip_limit=2", "jpeg")
    assert found.arguments["common"].classes == ("Ulna", "Hamate")
