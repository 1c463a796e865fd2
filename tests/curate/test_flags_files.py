"""Detectors of the file and of whole sets, the pass over films, and hostile input."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from curate.errors import UsageError
from curate.flagged import raised as raised_rows
from curate.flags import DETECTORS, Film, FilmDetector, films_from_folder, run_detectors
from curate.flags.duplicate import DETECTOR as DUPLICATE
from curate.flags.exposure import DETECTOR as EXPOSURE
from curate.flags.exposure import noise
from curate.flags.film import shrunk
from curate.flags.grid import BANDS, COLUMNS, LINES, SIDE, Grid
from curate.flags.salvage import mended

CHEAP = ["unreadable", "truncated", "format", "duplicate", "exposure"]


def textured(seed: int = 0, size: tuple[int, int] = (300, 400)) -> np.ndarray:
    """A film-like picture: a bright structured limb on a dark ground with grain."""
    rng = np.random.default_rng(seed)
    film = np.full(size, 30.0)
    mask = np.zeros(size, np.uint8)
    cv2.ellipse(mask, (size[1] // 2, size[0] // 2), (size[1] // 5, size[0] // 3), 0, 0, 360, 1, -1)
    coarse = cv2.resize(rng.normal(0, 40, (12, 16)), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(film + mask * (110 + coarse) + rng.normal(0, 3, size), 0, 255).astype(np.uint8)


def flags_of(folder: Path, names=CHEAP) -> dict[str, dict]:
    return {r.image: {f.name: f for f in r.flags} for r in run_detectors(films_from_folder(folder), names)}


def raised(folder: Path, names=CHEAP) -> dict[str, set[str]]:
    return {image: {n for n, f in flags.items() if f.flagged} for image, flags in flags_of(folder, names).items()}


def test_a_plain_film_raises_nothing(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), textured())
    assert raised(tmp_path) == {"a.png": set()}


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.9995])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_file_that_breaks_off_is_truncated_and_still_read(tmp_path, share, suffix):
    whole = tmp_path / f"whole{suffix}"
    cv2.imwrite(str(whole), textured(size=(600, 800)))
    data = whole.read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(data[: max(700, int(share * len(data)))])
    found = flags_of(tmp_path)
    assert found[f"cut{suffix}"]["truncated"].flagged
    assert not found[f"cut{suffix}"]["unreadable"].flagged
    assert not found[f"whole{suffix}"]["truncated"].flagged


def test_what_is_left_of_a_png_is_what_was_there(tmp_path):
    film = textured(size=(600, 800))
    ok, data = cv2.imencode(".png", film)
    assert ok
    left = cv2.imdecode(np.frombuffer(mended(data.tobytes()[: len(data) // 2], "PNG"), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(left[:200], film[:200])
    assert not left[-50:].any()


def test_a_jpeg_whose_decoder_filled_it_up_is_truncated(tmp_path):
    data = cv2.imencode(".jpg", textured(size=(320, 400)))[1].tobytes()
    (tmp_path / "filled.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    flag = flags_of(tmp_path)["filled.jpg"]["truncated"]
    assert flag.flagged
    assert 100 < flag.where[1] < 300


@pytest.mark.parametrize("below", [16, 120])
@pytest.mark.parametrize("how", [[], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]])
def test_a_jpeg_that_was_padded_with_grey_is_whole(tmp_path, below, how):
    film = cv2.copyMakeBorder(textured(size=(320, 400)), 0, below, 0, 0, cv2.BORDER_CONSTANT, value=128)
    cv2.imwrite(str(tmp_path / "padded.jpg"), film, how)
    assert not flags_of(tmp_path)["padded.jpg"]["truncated"].flagged


def test_same_pixels_in_another_format_are_a_duplicate_and_one_is_kept(tmp_path):
    film = textured(1)
    cv2.imwrite(str(tmp_path / "a.png"), film)
    cv2.imwrite(str(tmp_path / "b.bmp"), film)
    cv2.imwrite(str(tmp_path / "c.png"), textured(2))
    found = flags_of(tmp_path, ["duplicate"])
    assert [n for n in found if found[n]["duplicate"].flagged] == ["b.bmp"]
    assert "a.png" in found["b.bmp"]["duplicate"].why
    assert found["c.png"]["duplicate"].score == 0


def test_equal_checksums_are_no_duplicate_until_the_pixels_say_so():
    one, two = textured(1), textured(2)
    films = [Film(n, n, pixels=lambda p=p: p, digest=n) for n, p in (("a", one), ("b", two), ("c", one))]
    scores = [finding.score for finding in DUPLICATE.judge(films, ["the same"] * 3)]
    assert scores == [0.4, 0.0, 1.0]
    assert DUPLICATE.judge(films[:2], [DUPLICATE.measured(f) for f in films[:2]])[1].score == 0


def test_same_bytes_in_another_shape_are_no_duplicate(tmp_path):
    film = textured(1, (200, 400))
    cv2.imwrite(str(tmp_path / "a.png"), film)
    cv2.imwrite(str(tmp_path / "b.png"), film.reshape(400, 200))
    assert not flags_of(tmp_path, ["duplicate"])["b.png"]["duplicate"].flagged


def test_grain_is_the_mean_second_difference_without_its_largest_tenth():
    gray = textured(3, (640, 500))
    second = np.sort(np.abs(np.diff(gray.astype(int), 2)).ravel())
    assert noise([gray])[0] == pytest.approx(second[: int(0.9 * len(second))].mean())


@pytest.mark.parametrize("detector", [EXPOSURE, DUPLICATE], ids=lambda d: d.name)
def test_films_measured_at_once_are_measured_as_each_alone(detector):
    rng = np.random.default_rng(8)
    sizes = [(480, 400), (400, 480), (900, 1300), (1, 70), (70, 1), (2, 2)]
    films = [textured(k, size) for k, size in enumerate(sizes)]
    films += [np.clip(films[0] * 2.6, 0, 255).astype(np.uint8), np.zeros((90, 90), np.uint8)]
    bright = (195 + rng.integers(0, 25, (480, 400))).astype(np.uint8)
    for film, level in ((films[0], 229), (films[0], 253), (bright, 236)):
        films.append(np.vstack([film, (level + rng.integers(-2, 3, (300, 400))).astype(np.uint8)]))
    films.append(cv2.putText(films[0].copy(), "R 12:34 CLINIC", (10, 40), 0, 1.2, 255, 3))
    parts = [detector.part(Film("x", "x", pixels=lambda g=g: g, digest="x")) for g in films]
    alone = [detector.measure([part])[0] for part in parts]
    assert detector.measure(parts) == alone
    assert detector.measure(parts[::-1]) == alone[::-1]
    assert len({str(m) for m in alone}) == len(films)


@pytest.mark.parametrize("size", [(2048, 2048), (2303, 2881), (1, 3000), (3000, 1), (40, 5000), (2, 2)])
def test_grey_values_of_a_film_are_those_of_its_bands(size):
    rng = np.random.default_rng(5)
    gray = np.where(np.arange(size[1]) < 0.7 * size[1], 40, 180) + rng.integers(0, 3, size)
    said = EXPOSURE.measured(Film("x", "x", pixels=lambda: gray.astype(np.uint8), digest="x"))
    if min(size) > 40:
        assert [said[k] for k in ("ground", "low", "high")] == pytest.approx([41, 181, 181], abs=1)
    assert all(np.isfinite(v) for v in said.values())


@settings(max_examples=60)
@given(st.integers(1, 2600), st.integers(1, 2600), st.integers(0, 3), st.integers(0, 255))
def test_a_grid_holds_values_of_the_film_and_little_of_any(height, width, pad, level):
    film = np.random.default_rng(0).integers(0, 255, (height, width), np.uint8)
    padded = cv2.copyMakeBorder(film, pad, pad, 0, 0, cv2.BORDER_CONSTANT, value=level)
    grid = Grid(padded)
    for part in (grid.gray, grid.cells, grid.lines):
        assert part.size
        assert part.dtype == np.uint8
        assert not np.shares_memory(part, padded)  # or many waiting films would hold all their pixels
    assert max(grid.cells.shape) <= 2 * max(BANDS, COLUMNS)
    assert len(grid.lines) <= 2 * LINES
    assert max(grid.gray.shape) < 2 * SIDE or min(height, width) < max(height, width) / SIDE
    assert np.isin(grid.cells, grid.gray).all()
    assert np.isin(grid.lines, padded).all()


@pytest.mark.parametrize("size", [(700, 500), (2880, 2304), (1023, 2047), (3, 4000)])
def test_a_film_shrunk_by_halves_is_the_film_shrunk(size):
    gray = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, size).astype(np.uint8), (0, 0), 9)
    small = shrunk(gray, 512)
    assert max(small.shape) == 512
    straight = cv2.resize(gray, small.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(straight.astype(int) - small).max() <= 3
    assert shrunk(small, 512) is small


@pytest.mark.parametrize("how", ["dark", "bright", "flat"])
def test_exposure_alone_and_in_a_set(tmp_path, how):
    for k in range(14):
        cv2.imwrite(str(tmp_path / f"{k:02}.png"), textured(k))
    film = textured(99).astype(float)
    odd = {"dark": film * 0.2, "bright": film * 2.6, "flat": 120 + (film - 120) * 0.05}[how]
    alone = tmp_path / "alone"
    alone.mkdir()
    for path in (tmp_path / "99.png", alone / "x.png"):
        cv2.imwrite(str(path), np.clip(odd, 0, 255).astype(np.uint8))
    together = raised(tmp_path, ["exposure"])
    assert [n for n, f in together.items() if f] == ["99.png", "alone/x.png"]
    assert raised(alone, ["exposure"]) == {"x.png": {"exposure"}}


def test_odd_formats_are_named(tmp_path):
    film = textured(size=(300, 300))
    cv2.imwrite(str(tmp_path / "deep.png"), film.astype(np.uint16) * 257)
    colour = np.dstack([film, film, 255 - film])
    cv2.imwrite(str(tmp_path / "colour.png"), colour)
    cv2.imwrite(str(tmp_path / "equal.png"), np.dstack([film] * 3))
    PillowImage.fromarray(colour).convert("CMYK").save(tmp_path / "print.jpg")
    frames = [PillowImage.fromarray(f) for f in (film, film[::-1])]
    for name in ("moving.webp", "moving.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    cv2.imwrite(str(tmp_path / "small.png"), film[:100, :100])
    found = flags_of(tmp_path, ["format", "unreadable"])
    said = {n: f["format"].why for n, f in found.items() if f["format"].flagged}
    assert set(said) == {"deep.png", "colour.png", "print.jpg", "moving.webp", "moving.gif", "small.png"}
    for name, word in [
        ("deep.png", "16 bits"),
        ("colour.png", "differ"),
        ("print.jpg", "CMYK"),
        ("moving.webp", "2 frames"),
        ("moving.gif", "2 frames"),
    ]:
        assert word in said[name]
    assert not any(f["unreadable"].flagged for f in found.values())


def test_every_bad_file_is_reported_by_name_and_the_rest_goes_on(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    huge = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", huge), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    packed = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    outside = tmp_path.parent / "outside.png"
    cv2.imwrite(str(outside), textured())
    os.symlink(outside, tmp_path / "link.png")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "dangling.png")
    os.symlink("circle.png", tmp_path / "circle.png")
    good = ['sub folder/it\'s "quoted".png', "손 방사선.png", "GOOD.JPG"]
    (tmp_path / "sub folder").mkdir()
    for name in good:
        _, data = cv2.imencode(Path(name).suffix.lower(), textured())
        (tmp_path / name).write_bytes(data.tobytes())
    (tmp_path / "notes.txt").write_text("ignored")
    found = flags_of(tmp_path)
    assert set(found) == {"empty.png", "text.png", "huge.png", "link.png", "dangling.png", "circle.png", *good}
    assert "30000 x 30000" in found["huge.png"]["unreadable"].why
    bad = {n for n, f in found.items() if f["unreadable"].flagged}
    assert bad == set(found) - set(good)
    assert "0 bytes" in found["empty.png"]["unreadable"].why
    assert "refused before decoding" in found["huge.png"]["unreadable"].why
    assert "link" in found["link.png"]["unreadable"].why
    entry = run_detectors(films_from_folder(tmp_path), CHEAP)[0].to_dict()
    assert set(entry) == {"image", "flags", "measures"}
    assert entry["measures"]["fingers_deg"] is None
    assert set(entry["flags"][0]) == {"name", "score", "threshold", "flagged", "where", "why"}


def test_names_that_no_terminal_and_no_json_takes_are_written_out(tmp_path):
    _, data = cv2.imencode(".png", textured())
    for name in (b"caf\xe9.png", b"two\nlines.png", b"\x1b[31mred.png"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as stream:
            stream.write(data.tobytes())
    results = run_detectors(films_from_folder(tmp_path), ["duplicate"])
    assert orjson.loads(orjson.dumps([r.to_dict() for r in results]))[1]["image"] == r"caf\xe9.png"
    shown = [text for row in raised_rows(results) for text in row]
    assert [row[0] for row in raised_rows(results)] == [r"caf\xe9.png", r"two\nlines.png"]
    assert all(text.isprintable() for text in shown)


def test_a_folder_without_pictures_and_a_wrong_name_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="holds no picture"):
        films_from_folder(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        films_from_folder(tmp_path / "none")
    with pytest.raises(UsageError, match="is no detector"):
        run_detectors([], ["ring"])


def test_detectors_are_registered_once_and_state_a_threshold():
    names = [d.name for d in DETECTORS]
    assert len(set(names)) == len(names)
    assert all(0 < d.threshold < 1 and d.version >= 1 for d in DETECTORS)


def test_the_next_film_is_decoded_while_one_is_judged_and_none_that_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.flags.ahead.SMALL", 1)
    for k in range(5):
        cv2.imwrite(str(tmp_path / f"{k}.png"), textured(k))
    (tmp_path / "3.png").write_bytes(b"no picture")
    films, decoded = films_from_folder(tmp_path), {}

    def decode(self):
        decoded[self.id] = threading.current_thread() is threading.main_thread()
        return plain(self)

    plain = Film.picture.func
    monkeypatch.setattr(Film, "picture", cached_property(decode))
    Film.picture.__set_name__(Film, "picture")
    first = run_detectors(films, CHEAP)
    assert decoded == {"0.png": True, **{f"{k}.png": False for k in (1, 2, 3, 4)}}
    monkeypatch.setattr("curate.flags.ahead.SMALL", 1 << 30)
    assert [r.to_dict() for r in run_detectors(films_from_folder(tmp_path), CHEAP)] == [r.to_dict() for r in first]
    decoded.clear()
    run_detectors(films_from_folder(tmp_path), CHEAP, known={r.id: r for r in first})
    assert set(decoded) <= {"3.png"}


def test_a_known_answer_is_not_asked_again_unless_bytes_or_version_change(tmp_path, monkeypatch):
    asked = []

    def look(film):
        asked.append(film.id)
        from curate.flags import Finding

        return Finding(0.9, f"{film.gray.mean():.0f}")

    def one(version):
        monkeypatch.setattr("curate.flags.run.choose", lambda names: (FilmDetector("x", version, 0.5, "pixels", look),))

    cv2.imwrite(str(tmp_path / "a.png"), textured(1))
    cv2.imwrite(str(tmp_path / "b.png"), textured(2))
    one(1)
    first = run_detectors(films_from_folder(tmp_path))
    known = {r.id: r for r in first}
    again = run_detectors(films_from_folder(tmp_path), known=known)
    assert asked == ["a.png", "b.png"]
    assert [r.to_dict() for r in again] == [r.to_dict() for r in first]
    cv2.imwrite(str(tmp_path / "b.png"), textured(3))
    run_detectors(films_from_folder(tmp_path), known=known)
    assert asked == ["a.png", "b.png", "b.png"]
    one(2)
    run_detectors(films_from_folder(tmp_path), known=known)
    assert asked[3:] == ["a.png", "b.png"]


@pytest.mark.parametrize("how", ["padded", "white border", "letters", "plate", "scan line"])
def test_what_is_round_or_written_on_a_film_is_none_of_its_exposure(how):
    rng = np.random.default_rng(4)
    film = np.clip(textured(4, (480, 400)), 0, 215)
    film[:, :40] = 60
    changed = {
        "padded": cv2.copyMakeBorder(film, 90, 90, 200, 60, cv2.BORDER_CONSTANT),
        "white border": cv2.copyMakeBorder(film, 12, 12, 12, 12, cv2.BORDER_CONSTANT, value=255),
        "letters": cv2.putText(film.copy(), "R 12:34 CLINIC", (10, 40), 0, 1.2, 255, 3),
        "scan line": np.hstack([film, rng.integers(190, 253, (480, 3)).astype(np.uint8)]),
        "plate": np.vstack([film, (229 + rng.integers(-2, 3, (60, 400))).astype(np.uint8)]),
    }[how]
    before, after = (EXPOSURE.measured(Film("x", "x", pixels=lambda g=g: g, digest="x")) for g in (film, changed))
    for key in ("ground", "middle", "high")[: 2 if how == "letters" else 3]:
        assert after[key] == pytest.approx(before[key], abs=6), key
    assert after["white"] == pytest.approx(before["white"], abs=0.01)


def test_overexposed_body_is_still_clipped():
    film = textured(4, (480, 400)).astype(float) * 2.6
    said = EXPOSURE.measured(Film("x", "x", pixels=lambda: np.clip(film, 0, 255).astype(np.uint8), digest="x"))
    assert said["white"] > 0.3
