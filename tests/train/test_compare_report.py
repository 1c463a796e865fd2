"""The report's page, Markdown, CSV, JSON and terminal table."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from rich.console import Console

from curate.manifest.store import Manifest
from curate.sample.raster import label_plane
from curate.sample.read import SampleReader
from tests.train.runfolders import HAND, make_arm
from train.compare import compare_runs, print_table, write_report
from train.scores import rows_of, score_planes, write_scores

NASTY = '<script>alert("x")</script>|&*[b](c)'


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    home, rng = tmp_path_factory.mktemp("report"), np.random.default_rng(1)
    a = make_arm(home / "a", rng, classes=HAND, patients=10)
    b = make_arm(home / "b", rng, classes=HAND, patients=10, version="v3", delta={"Pisiform": 0.06, "Radius": -0.06})
    for arm in (a, b):
        for run in arm.iterdir():
            (run / "log.csv").write_text("step,loss,lr,inner_dice,seconds\n10,0.9,0.1,,1\n20,0.5,0.1,,2\n20,,,0.7,2\n")
    return compare_runs(a, b)


class Tags(HTMLParser):
    """Collects what a page would load and which tags it opens and closes."""

    def __init__(self):
        super().__init__()
        self.addresses, self.open, self.counts = [], [], {}

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.addresses += [v for k, v in attributes if k in ("src", "href", "srcset", "data", "action")]
        if tag not in {"meta", "img", "link", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags_of(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def test_files_agree_and_are_the_same_bytes_every_time(comparison, tmp_path):
    page = write_report(comparison, tmp_path / "one")
    write_report(comparison, tmp_path / "two")
    names = ["report.csv", "report.html", "report.json", "report.md"]
    assert sorted(p.name for p in page.parent.iterdir()) == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    found = json.loads((tmp_path / "one/report.json").read_bytes())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "one/report.csv").read_text())))
    assert [r["name"] for r in rows if r["kind"] == "class"] == [line["name"] for line in found["classes"]]
    assert float(rows[0]["delta"]) == found["classes"][0]["delta"]
    markdown = (tmp_path / "one/report.md").read_text()
    assert re.search(r"\| Pisiform \| \S \w+(\\\*)? \| 2", markdown)
    assert "▲ better" in markdown
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("| ")}
    assert len(widths) == 2  # the two tables, each with rows of one width


def test_the_page_loads_nothing_and_puts_the_plot_first(comparison, tmp_path):
    text = write_report(comparison, tmp_path).read_text()
    tags = tags_of(text)
    assert tags.addresses == []
    assert not re.search(r"https?://|@import|url\(", text)
    assert text.index("<svg") < text.index("<table")
    assert tags.counts["tr"] > 29
    rows = re.findall(r'<g class="row (\w+)( whole)?"><title>([\w-]+):', text)
    bones = [name for _, whole, name in rows if not whole]
    assert bones[0] == "Pisiform"
    assert bones[-1] == "Radius"
    assert rows[0][0] == "better"
    assert 'class="run a"' in text


def test_all_text_is_escaped(tmp_path):
    rng = np.random.default_rng(0)
    classes = (NASTY, "Ulna")
    a = make_arm(tmp_path / "a", rng, classes=classes, patients=3, version=NASTY, absent=0)
    b = make_arm(tmp_path / "b", rng, classes=classes, patients=3, version="</style><b>", absent=0)
    c = compare_runs(a, b)
    page = write_report(c, tmp_path / "out").read_text()
    assert "<script>alert" not in page
    assert "</style><b>" not in page
    tags_of(page)
    markdown = (tmp_path / "out/report.md").read_text()
    assert "<script>" not in markdown
    assert r"\*\[b\](c)" in markdown
    console = Console(width=100, file=io.StringIO())
    print_table(c, console)
    assert "[b](c)" in console.file.getvalue()


@pytest.mark.parametrize(("width", "encoding"), [(80, "utf-8"), (100, "utf-8"), (200, "ascii")])
def test_the_terminal_table_fits(comparison, width, encoding):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    print_table(comparison, Console(width=width, file=file))
    text = file.buffer.getvalue().decode(encoding)
    table = [line for line in text.splitlines() if re.match(r"(finger|Pisi|Radius|overall|carpals)", line)]
    assert len(table) >= 22
    assert max(map(len, table)) <= min(width, 100)
    if width >= 100:
        assert re.search(r"Pisiform +20|Pisiform +\d+ 0\.\d{4} 0\.\d{4} \+0\.0\d{3}", text)


def test_one_seed_shows_no_verdict_anywhere(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (make_arm(tmp_path / n, rng, classes=HAND[:4], seeds=1, version=n, delta=d) for n, d in (("a", 0), ("b", 1)))
    c = compare_runs(a, b)
    page = write_report(c, tmp_path / "out").read_text()
    console = Console(width=100, file=io.StringIO())
    print_table(c, console)
    for text in (page, console.file.getvalue(), (tmp_path / "out/report.md").read_text()):
        assert "eed variance not estimated" in text
        assert not re.search(r"[▲▼■] (better|worse|equivalent)", text)


def predicted_arm(folder, version, shift, kept=True):
    """Runs of a tiny data set whose predictions are the truth moved by some pixels."""
    reader = SampleReader(version)
    for seed in range(2):
        run = folder / f"fold0-seed{seed}"
        (run / "predictions").mkdir(parents=True)
        rows = []
        for row in version.samples:
            size = (row.width, row.height)
            truth = label_plane(reader.annotations(row.id), version.classes, size)
            plane = np.roll(truth, shift + seed, axis=1)
            rows += rows_of(row.id, row.group, version.classes, score_planes(plane, truth, len(version.classes)))
            if kept:
                name = row.id if seed else row.id.replace("/", "__")
                (run / f"predictions/{name}.npz").parent.mkdir(exist_ok=True, parents=True)
                np.savez_compressed(run / f"predictions/{name}.npz", plane=plane, scale=1.0)
        write_scores(run / "scores.csv", rows)
        record = {
            "version": version.name, "digest": version.digest, "seed": seed, "fold": 0, "classes": version.classes,
            "evaluation": [r.id for r in version.samples], "config": {}, "manifest": str(version.manifest.path),
        }  # fmt: skip
        (run / "run.json").write_text(json.dumps(record))
    return folder


def test_films_are_drawn_from_the_manifest_with_both_predictions(tiny, tmp_path):
    version = Manifest.find(tiny).version("v1")
    a, b = predicted_arm(tmp_path / "a", version, 3), predicted_arm(tmp_path / "b", version, 1)
    c = compare_runs(a, b)
    assert c.a.lineage[0].startswith("v1: ")
    page = write_report(c, tmp_path / "out").read_text()
    images = [x for x in tags_of(page).addresses if x.startswith("data:image/jpeg;base64,")]
    assert len(images) >= 5
    assert "<figcaption>put right, broken, wrong in both</figcaption>" in page  # needs the truth, from the manifest
    first = cv2.imdecode(np.frombuffer(base64.b64decode(images[0].split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert first.std() > 20  # the film, not an empty ground


def test_damaged_or_missing_films_and_predictions_leave_the_page_whole(tiny, tmp_path):
    version = Manifest.find(tiny).version("v1")
    a, b = predicted_arm(tmp_path / "a", version, 3), predicted_arm(tmp_path / "b", version, 1)
    c = compare_runs(a, b)
    for path in b.rglob("*.npz"):
        path.write_bytes(b"PK\x03\x04 not an archive")
    for path in (tmp_path / "b").glob("*/predictions/../x"):
        path.unlink()
    assert "data:image" not in write_report(c, tmp_path / "out").read_text()
    shutil.rmtree(tiny)
    assert any(n.startswith("the manifest that the runs name is not here") for n in compare_runs(a, b).notes)
    write_report(c, tmp_path / "again")


def test_ids_that_leave_the_folder_are_not_followed(tiny, tmp_path):
    rng = np.random.default_rng(0)
    a, b = (make_arm(tmp_path / n, rng, classes=HAND[:3], patients=3, version=n) for n in "ab")
    np.savez(tmp_path / "secret.npz", plane=np.ones((8, 8), np.uint32), scale=1.0)
    for run in [*a.iterdir(), *b.iterdir()]:
        for name in ("scores.csv", "run.json"):
            text = (run / name).read_text().replace("ID000/image0000", "../../../secret")
            (run / name).write_text(text)
    assert "data:image" not in write_report(compare_runs(a, b), tmp_path / "out").read_text()


def browser() -> str:
    found = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    return found or pytest.skip("no Chromium here")


def test_the_table_sorts_and_the_dark_page_fits_in_a_browser(comparison, tmp_path):
    chromium = browser()
    page = write_report(comparison, tmp_path)
    probe = """<script>
    const first = () => document.querySelector("tbody.rows tr").cells[0].textContent;
    const click = (name) => [...document.querySelectorAll("thead button")].find((b) => b.textContent === name).click();
    const out = []; click("B - A"); out.push(first()); click("B - A"); out.push(first());
    click("bone"); out.push(first()); out.push(getComputedStyle(document.body).backgroundColor.replaceAll(" ", ""));
    out.push(document.documentElement.scrollWidth <= innerWidth); document.title = out.join(" ");
    </script></body>"""
    (tmp_path / "probe.html").write_text(page.read_text().replace("</body>", probe))
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--blink-settings=preferredColorScheme=0",
        f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
        f"file://{tmp_path / 'probe.html'}",
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert re.search(r"<title>(.*?)</title>", dom)[1] == "Pisiform Radius Capitate rgb(20,23,27) true"


def test_a_thousand_films_make_a_page_of_reasonable_size(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (make_arm(tmp_path / n, rng, classes=HAND[:4], patients=500, seeds=2, version=n, absent=0) for n in "ab")
    page = write_report(compare_runs(a, b), tmp_path / "out")
    assert page.stat().st_size < 2_000_000
    assert page.read_text().count("<tr>") < 100



def test_millimetres_where_the_size_of_pixels_is_known(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (make_arm(tmp_path / n, rng, classes=HAND[:3], patients=8, version=n, pixel_mm=0.2) for n in "ab")
    c = compare_runs(a, b)
    line = c.classes[0]
    assert 0 < line.n_mm < line.n_present
    assert line.nsd_mm_a == pytest.approx(line.nsd_a / 2, abs=0.02)
    assert line.hd95_mm_a == pytest.approx(0.2 * line.hd95_a, rel=0.3)
    assert line.nsd_mm_ci[0] < line.nsd_mm_delta < line.nsd_mm_ci[1]
    text = write_report(c, tmp_path / "out").read_text()
    assert "on up to 8 of 16 films" in text
    assert "NSD mm A" in text
    markdown = (tmp_path / "out/report.md").read_text()
    assert "NSD mm A" in markdown
    assert "at a tolerance of 0.4 mm" in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows if "Radius" in line or "finger-1 " in line or "NSD mm" in line}) == 1
    assert "nsd_mm_ci_low" in (tmp_path / "out/report.csv").read_text().splitlines()[0]
    plain = write_report(compare_runs(*(make_arm(tmp_path / f"plain{n}", rng, patients=2, version=n) for n in "ab")),
                         tmp_path / "plain")  # fmt: skip
    assert "NSD mm A" not in plain.read_text()


def test_a_difference_that_is_shown_and_slight_is_starred_and_bones_are_named(tmp_path):
    rng = np.random.default_rng(0)
    deltas = {"a": 0.0, "b": {"finger-1": 0.05, "finger-2": 0.005, "finger-3": -0.05}}
    a, b = (
        make_arm(tmp_path / n, rng, classes=HAND[:4], version=n, delta=d, seeds=5, seed_sd=2e-4, residual_sd=1e-3)
        for n, d in deltas.items()
    )  # fmt: skip
    c = compare_runs(a, b, margin=0.02)
    page = write_report(c, tmp_path / "out")
    assert [line.verdict for line in c.classes] == ["better", "better", "worse", "equivalent"]
    console = Console(width=100, file=io.StringIO())
    print_table(c, console)
    for text in (page.read_text(), (tmp_path / "out/report.md").read_text().replace("\\", ""), console.file.getvalue()):
        assert "better*" in text
        assert "worse*" not in text
        assert "* shown, yet its whole interval lies within the margin of ±0.02" in " ".join(text.split())
    assert "finger-1, finger-2*. " in page.read_text()
    assert "Better: finger-1, finger-2\\*. Worse: finger-3." in (tmp_path / "out/report.md").read_text()
    assert "*" not in (tmp_path / "out/report.csv").read_text()
