"""Everyday words for flags."""

from __future__ import annotations

import pytest

from curate.errors import UsageError
from curate.flags.registry import FLAGS
from curate.flags.words import EVERYDAY, flags_meant


def test_every_word_stands_for_a_flag_that_there_is():
    assert set(EVERYDAY.values()) <= set(FLAGS)
    assert not set(EVERYDAY) & set(FLAGS)


def test_words_flags_and_tags_come_once_each_in_their_order():
    assert flags_meant(["watch", "rotation", "ring", "Ring"], lambda: {"Ring"}) == ("jewellery", "rotation", "Ring")


def test_a_tag_comes_before_an_everyday_word():
    assert flags_meant(["ring"], lambda: {"ring"}) == ("ring",)


def test_tags_are_not_looked_up_for_flags():
    assert flags_meant(["cast"], lambda: pytest.fail("asked for")) == ("cast",)


def test_other_words_are_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"rotatoin: is no flag or tag here; there are .*rotation.*seen"):
        flags_meant(["rotatoin"], lambda: {"seen"})
