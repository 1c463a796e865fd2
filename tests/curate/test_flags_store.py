"""Flags beside the manifest: the same results are the same bytes, a killed run is resumed, nothing is lost."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curate.cli import flag_outliers
from curate.errors import ManifestError, UsageError, WriteError
from curate.flagged import flag_folder, flag_version
from curate.flags import films_from_folder, run_detectors
from curate.flags.store import FLAGS, JOURNAL, load_flags, remember, save_flags
from curate.ingest import ingest
from tests.curate.test_flags_files import textured


@pytest.fixture
def folder(tmp_path):
    for k in range(3):
        cv2.imwrite(str(tmp_path / f"{k}.png"), textured(k))
    return tmp_path


def test_saved_and_loaded_are_the_same_and_sorted(folder):
    results = run_detectors(films_from_folder(folder), ["duplicate", "format"])
    save_flags(folder, results[::-1])
    data = (folder / FLAGS).read_bytes()
    loaded = load_flags(folder)
    assert list(loaded) == ["0.png", "1.png", "2.png"]
    assert [loaded[r.id].to_dict() for r in results] == [r.to_dict() for r in results]
    save_flags(folder, loaded)
    assert (folder / FLAGS).read_bytes() == data


def test_another_detector_adds_to_what_is_stored_and_a_changed_film_replaces_it(folder):
    save_flags(folder, run_detectors(films_from_folder(folder), ["duplicate"]))
    save_flags(folder, run_detectors(films_from_folder(folder), ["format"], known=load_flags(folder)))
    assert {f.name for f in load_flags(folder)["0.png"].flags} == {"duplicate", "format"}
    cv2.imwrite(str(folder / "0.png"), textured(8))
    save_flags(folder, run_detectors(films_from_folder(folder), ["format"], known=load_flags(folder)))
    assert {f.name for f in load_flags(folder)["0.png"].flags} == {"format"}
    assert {f.name for f in load_flags(folder)["1.png"].flags} == {"duplicate", "format"}


def test_a_killed_run_goes_on_where_it_was(folder):
    films = films_from_folder(folder)
    done = run_detectors(films[:2], ["duplicate"], each=lambda r: remember(folder, r))
    with (folder / JOURNAL).open("ab") as stream:
        stream.write(b'{"id": "2.png", "dige')  # killed in the middle of a line
    known = load_flags(folder)
    assert set(known) == {"0.png", "1.png"}
    assert known["1.png"].kept == done[1].kept
    save_flags(folder, run_detectors(films, ["duplicate"], known=known))
    assert not (folder / JOURNAL).exists()
    assert set(load_flags(folder)) == {"0.png", "1.png", "2.png"}


def test_a_version_flagged_by_runs_that_are_killed_ends_with_the_same_bytes(folder):
    version = ingest(folder, images=folder).version
    done = flag_version(version, ["duplicate"])
    plain = (folder / FLAGS).read_bytes()
    (folder / FLAGS).unlink()

    def killed_at(name):
        def show(films, total):
            for film in films:
                if film.id == name:
                    raise KeyboardInterrupt
                yield film

        return show

    for name in ("1", "2"):
        with pytest.raises(KeyboardInterrupt):
            flag_version(version, ["duplicate"], killed_at(name))
        with (folder / JOURNAL).open("r+b") as stream:  # as if the kill had come in the middle of one more line
            stream.seek(0, 2)
            stream.write(b'{"id": "9", "dige')
        assert set(load_flags(folder)) == set("012"[: int(name)])
    known = load_flags(folder)
    assert [known[r.id].kept for r in done[:2]] == [r.kept for r in done[:2]]
    flag_version(version, ["duplicate"])
    assert (folder / FLAGS).read_bytes() == plain
    assert not (folder / JOURNAL).exists()


@pytest.mark.parametrize(
    ("at_once", "pace", "told"), [(2, 0.0, [0, 0, 2]), (9, 0.0, [0, 0, 0]), (9, 0.2, [0, 0, 2]), (9, 1.5, [0, 1, 2])]
)
def test_films_wait_for_each_other_but_not_for_long(folder, monkeypatch, at_once, pace, told):
    clock, seen, so_far = [0.0], [], []
    monkeypatch.setattr("curate.flags.waiting.AT_ONCE", at_once)
    monkeypatch.setattr("curate.flags.waiting.perf_counter", lambda: clock[0])

    def show(films):
        for film in films:
            so_far.append(len(seen))
            clock[0] += pace
            yield film

    results = run_detectors(films_from_folder(folder), ["duplicate", "exposure"], progress=show, each=seen.append)
    assert so_far == told
    assert [r.id for r in seen] == [r.id for r in results] == ["0.png", "1.png", "2.png"]
    assert all(r.kept["exposure"]["found"]["noise"] > 0 for r in seen)


def test_a_run_whose_answers_cannot_be_kept_ends_with_the_first(folder):
    asked = []

    def full(result):
        asked.append(result.id)
        raise WriteError(result.image, "the disk is full")

    with pytest.raises(WriteError, match=r"0\.png"):
        run_detectors(films_from_folder(folder), ["exposure"], each=full)
    assert asked == ["0.png"]


def test_a_folder_is_flagged_once_where_there_is_a_store(folder, tmp_path_factory, monkeypatch):
    store = tmp_path_factory.mktemp("store")
    first = flag_folder(folder, ["exposure", "format"], store=store)
    looked = []
    monkeypatch.setattr("curate.flags.exposure.noise", lambda rows: looked.append(rows) or np.ones(len(rows)))
    again = flag_folder(folder, ["exposure", "format"], store=store)
    assert not looked
    assert [r.to_dict() for r in again] == [r.to_dict() for r in first]
    assert not (folder / FLAGS).exists()
    with pytest.raises(UsageError, match="goes with --images"):
        flag_outliers(store=store)


def test_a_journal_that_cannot_be_written_is_named(folder):
    (folder / JOURNAL).mkdir(parents=True)
    done = run_detectors(films_from_folder(folder)[:1], ["duplicate"])
    with pytest.raises(WriteError, match=r"flags\.journal\.jsonl"):
        remember(folder, done[0])


def test_a_damaged_line_is_named(folder):
    save_flags(folder, run_detectors(films_from_folder(folder), ["format"]))
    with (folder / FLAGS).open("ab") as stream:
        stream.write(b"{}\n")
    with pytest.raises(ManifestError, match="line 4 is damaged"):
        load_flags(folder)
    assert load_flags(folder / "elsewhere") == {}
