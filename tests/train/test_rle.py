"""Run lengths as the competition wants them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curate.errors import CarpusError, UsageError
from train.predict.rle import SubmissionWriter, decode, encode_plane, read_submission


def _slow(mask: np.ndarray) -> str:
    """The usual loop, pixel by pixel."""
    runs, start = [], None
    flat = [*mask.reshape(-1).tolist(), False]
    for i, on in enumerate(flat):
        if on and start is None:
            start = i
        if not on and start is not None:
            runs += [start + 1, i - start]
            start = None
    return " ".join(map(str, runs))


@given(arrays(np.uint32, st.tuples(st.integers(1, 7), st.integers(1, 9)), elements=st.integers(0, 7)))
def test_equal_to_the_loop_and_back(plane):
    texts = encode_plane(plane, 3)
    for k, text in enumerate(texts):
        mask = (plane >> np.uint32(k)) & 1 == 1
        assert text == _slow(mask)
        assert (decode(text, *plane.shape) == mask).all()


def test_by_hand():
    plane = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 3]], np.uint32)
    assert encode_plane(plane, 3) == ["1 2 4 1 9 1", "9 1", ""]
    high = np.zeros((2, 2), np.uint64)
    high[1] = np.uint64(1) << np.uint64(63)
    assert encode_plane(high, 64)[63] == "3 2"


@pytest.mark.parametrize("text", ["1", "1 x", "0 3", "4 9", "1 0"])
def test_bad_runs_are_refused(text):
    with pytest.raises(UsageError):
        decode(text, 2, 3)


def test_a_submission_is_whole_or_not_there(tmp_path):
    plane = np.array([[1, 2]], np.uint32)
    path = tmp_path / "out.csv"
    with pytest.raises(AttributeError), SubmissionWriter(path, ("a", "b")) as writer:
        writer.add("x.png", None)
    assert list(tmp_path.iterdir()) == []
    with SubmissionWriter(path, ("a", "b", "c")) as writer:
        writer.add("x.png", plane)
    assert path.read_text() == "image_name,class,rle\nx.png,a,1 1\nx.png,b,2 1\nx.png,c,\n"
    assert list(read_submission(path)) == [("x.png", "a", "1 1"), ("x.png", "b", "2 1"), ("x.png", "c", "")]
    path.write_text("a,b\n")
    with pytest.raises(CarpusError, match="is no submission"):
        list(read_submission(path))
