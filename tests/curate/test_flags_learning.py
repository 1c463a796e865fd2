"""Teaching the heads, on a handful of films: lessons are made once, learnt from, and what is learnt is judged."""

from __future__ import annotations

import numpy as np
import pytest

from curate.flags.heads import CELLS, WHOLE, WIDTH


@pytest.mark.long
def test_lessons_are_made_once_and_heads_learn_from_them(real_data, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from benchmarks.flags import drawn, judged, learn, pictures
    from benchmarks.flags.halves import halves_of
    from benchmarks.flags.tones import OTHERS

    films, rows, _ = halves_of(real_data / "radiographs")
    some = [f for k, f in enumerate(films) if k % 25 == 7]
    sides = {f.name: k % 2 for k, f in enumerate(some)}
    monkeypatch.setattr(pictures, "halves_of", lambda data, work=640: (some, rows, sides))
    monkeypatch.setattr(judged, "halves_of", lambda data, work=640: (some, rows, sides))
    for name, value in (("FOLDS", 2), ("PARTS", 1), ("MADE", 4)):
        monkeypatch.setattr(pictures, name, value)
    said: list[str] = []
    pictures.make(real_data / "radiographs", tmp_path, said.append)
    assert len(said) == 2
    pictures.make(real_data / "radiographs", tmp_path, said.append)
    assert len(said) == 2
    lessons = pictures.read(tmp_path)
    assert all(x.cells.shape == (len(x.said), WIDTH) and x.said.shape[1] == len(CELLS) for x in lessons[0])
    assert sum(not x.real for x in lessons[0]) == 4
    monkeypatch.setattr(drawn, "ROUNDS", 1)
    monkeypatch.setattr(drawn, "EACH", 3)
    drawn.make(tmp_path, said.append)
    monkeypatch.setattr(learn, "ROUNDS_CELLS", 1)
    heads = learn.teach([*lessons[0], *lessons[1]], drawn.read(tmp_path))
    assert heads["whole.1.w"].shape[1] == len(WHOLE)
    assert all(np.isfinite(v).all() for v in heads.values())
    cases = judged.look(real_data / "radiographs", {0: heads, 1: heads}, {0: heads, 1: heads}, said.append)
    assert [c["film"] for c in cases] == [f.name for f in some]
    assert any("close" in c["fold"] for c in cases)
    for case in cases:
        assert set(case["fold"]["tones"]) == set(OTHERS)
    worn = [c["fold"]["composed"] for c in cases if "composed" in c["fold"]]
    assert set().union(*worn) == set(judged.WORN)
    assert all(np.isfinite(v) for v in judged.thresholds(cases).values())
    assert judged.composed(cases, judged.thresholds(cases)).count("/") == len(judged.WORN)
