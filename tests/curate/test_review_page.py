"""The review page as a person uses it: in a real browser, by keys; and the page that is sent round."""

from __future__ import annotations

import re
import shutil
import threading
import time

import cv2
import numpy as np
import pytest

from curate.decisions import DECISIONS, load_decisions
from curate.errors import UsageError
from curate.ingest import ingest
from curate.review import export
from curate.review.export import write_export
from curate.review.items import decide, review_items
from curate.review.server import Review, serve
from curate.sample.image import write_png
from tests.flagging import put_flags

NASTY = ("<img src=x onerror=document.title='owned'>", "quote\" ' &amp; `", "한국어 손", "line\nbreak")


@pytest.fixture
def nasty(tmp_path):
    """Films whose names want to be markup; the last two are one pair."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(NASTY):
        write_png(tmp_path / "set" / "DCM" / f"ID{k}" / f"{name}.png", rng.integers(0, 255, (64, 80), np.uint8))
    version = ingest(tmp_path / "set", classes=("Radius",)).version
    ids = [row.id for row in version.samples]
    first = version.samples[0].image
    put_flags(version, {"jewellery": ids, "near-duplicate": ids[-1:]}, why=f"A <i>copy</i> of {first}.", of=first)
    return version


@pytest.fixture
def opened(browser, nasty):
    """A browser on the page of a review, and the review."""
    with serve(Review(nasty, reviewer="<Kim>"), 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            browser.look(1000, 700)
            browser.open(server.url)
            browser.wait("document.body.dataset.ready")
            yield browser, server.review
            browser.open("about:blank")
        finally:
            server.shutdown()
            thread.join()


def outcomes(review):
    """Outcome of each item, as the disk has it."""
    found = load_decisions(review.version.root)
    held = [found.on(i.row.id, i.raised.flag.name, i.row.digest, i.raised.detector)[0] for i in review.items]
    return [None if one is None else one.outcome for one in held]


def until(test, seconds=20):
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "did not come true"
        time.sleep(0.02)


def test_keys_decide_and_the_disk_knows(opened):
    browser, review = opened
    assert browser.run("document.querySelectorAll('.card').length") == 5
    browser.wait("[...document.querySelectorAll('.card img')].every(i => i.naturalWidth === 80)")
    assert browser.run("document.querySelectorAll('.card .where').length") == 5
    browser.press("a")
    until(lambda: outcomes(review) == ["accepted", None, None, None, None])
    browser.press("r", "a", "u")
    until(lambda: outcomes(review) == ["accepted", "rejected", None, None, None])
    assert browser.run("document.querySelector('#counts').textContent").startswith("2 of 5 decided")
    browser.press("u", "u")
    until(lambda: outcomes(review) == [None] * 5)
    browser.press("r")  # a later decision overrides the earlier ones
    until(lambda: outcomes(review)[0] == "rejected")
    lines = (review.version.root / DECISIONS).read_bytes().splitlines()
    assert len(lines) == 7
    assert b'"by":"<Kim>"' in lines[0]
    browser.wait("document.querySelector('.card .rejected')?.textContent === '✕ rejected'")
    assert browser.run("document.title") == "v1: review"  # no name became markup
    assert browser.errors == []


def test_full_size_filters_help_and_names_that_want_to_be_markup(opened):
    browser, _ = opened
    names = browser.run("[...document.querySelectorAll('.card .name')].map(n => n.textContent)")
    assert sorted({n.split("/", 1)[1] for n in names}) == sorted(NASTY)
    assert browser.run("document.querySelectorAll('.card .name *, .card .why *').length") == 0
    browser.press("Enter")
    browser.wait("document.getElementById('film').open")
    assert browser.run("document.querySelectorAll('.stages figure').length") == 2  # the pair, side by side
    browser.press("Enter")  # decides nothing
    browser.press("e")
    assert browser.run("document.querySelector('.stages svg > g:last-child').style.display") == "none"
    before = browser.run("document.querySelector('.stages svg').getAttribute('viewBox')")
    browser.press("z")
    assert browser.run("document.querySelector('.stages svg').getAttribute('viewBox')") != before
    browser.press("z", "j")
    assert browser.run("document.getElementById('film-title').textContent") == "jewellery"
    assert browser.run("document.querySelectorAll('.stages figure').length") == 1
    browser.press("a")
    browser.wait("document.getElementById('film-count').textContent === '3 of 5 shown'")
    browser.press("Escape")
    browser.wait("!document.getElementById('film').open && document.activeElement.className.startsWith('card')")
    browser.press("?")
    assert browser.run("document.getElementById('help').open")
    browser.press("Escape")
    browser.run("[...document.querySelectorAll('#outcomes button')].find(b => /undecided/.test(b.textContent)).click()")
    assert browser.run("document.querySelectorAll('.card').length") == 4
    browser.run("[...document.querySelectorAll('#flags button')].find(b => /near/.test(b.textContent)).click()")
    assert browser.run("document.querySelectorAll('.card').length") == 1
    assert browser.run("location.hash") == "#flag=near-duplicate&show=undecided"
    assert browser.errors == []


def test_what_was_not_saved_is_taken_back_and_told(opened):
    browser, review = opened
    (review.version.root / DECISIONS).parent.write_text("in the way")
    browser.press("a")
    browser.wait("document.getElementById('trouble').textContent.includes('cannot be written')")
    assert browser.run("document.getElementById('counts').textContent").startswith("0 of 5 decided")
    assert browser.run("document.querySelector('.card .mark').textContent") == "· undecided"


def test_the_page_to_send_round(nasty, tmp_path):
    decide(nasty, review_items(nasty)[0], "rejected", "<Kim>")
    told = write_export(nasty, tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text()
    assert told.endswith("5 flags with pictures; 0.0 MB")
    assert text.count("<image ") == 4  # each film once; flags beyond the first on a film use it again
    assert text.count("<use ") == 2
    assert text.count('class="where"') == 5
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|<img|<i>|<Kim>", text)
    assert "✕ rejected</span> by &lt;Kim&gt;" in text
    shutil.rmtree(tmp_path / "set" / "DCM" / "ID2")
    write_export(nasty, tmp_path / "out.html", ["jewellery"])
    text = (tmp_path / "out.html").read_text()
    assert (text.count("<image "), text.count('class="fault"')) == (3, 1)
    with pytest.raises(UsageError):
        write_export(nasty, tmp_path / "out.html", ["cast"])


def test_flags_on_labels_show_the_labels(version, tmp_path):
    put_flags(version, {"label-swapped": [version.samples[0].id]})
    write_export(version, tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text()
    assert [text.count(f"<title>{bone}</title>") for bone in ("Radius", "Ulna", "Scaphoid")] == [1, 1, 1]
    assert re.findall(r"<text [^>]*>(.*?)</text>", text) == ["Radius", "Scaphoid"]  # those that lie in the box


def test_the_page_to_send_round_is_bounded(nasty, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "MOST_BYTES", 7000)
    told = write_export(nasty, tmp_path / "out.html")
    count = (tmp_path / "out.html").read_text().count("<figure")
    assert f"{count} flags with pictures, {5 - count} more listed without a picture" in told
    assert 0 < count < 5


def test_the_page_to_send_round_shows_its_pictures(browser, nasty, tmp_path):
    write_export(nasty, tmp_path / "out.html")
    browser.look(900, 700)
    browser.open(f"file://{tmp_path / 'out.html'}")
    browser.wait("document.readyState === 'complete' && document.title === 'v1: flags'")
    browser.picture(tmp_path / "page.png", whole=True)
    box = browser.run(
        "(() => { const b = [...document.querySelectorAll('.films svg')].at(-1).getBoundingClientRect();"
        " return [b.x, b.y + scrollY, b.width, b.height]; })()"
    )
    assert browser.errors == []
    seen = cv2.imread(str(tmp_path / "page.png"))
    x, y, w, h = (round(v) for v in box)
    film = seen[y + h // 4 : y + 3 * h // 4, x + w // 8 : x + 7 * w // 8]
    assert film.std() > 20  # a noisy film, not an empty frame
    amber = (film[..., 2] > 200) & (film[..., 0] < 90)
    assert amber.any()  # with its evidence outlined
