"""Grey levels of one film brought to those of another."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.sample.geometry import frame, identity
from curate.sample.recipe import Placement, Recipe
from curate.sample.render import render_image
from curate.sample.tone import matching_table
from curate.sample.warp import Film


def hand(seed: int = 0) -> np.ndarray:
    """A dark ground with noise, soft tissue on it, bones in that."""
    rng = np.random.default_rng(seed)
    gray = np.full((200, 160), 25.0)
    gray[40:, 30:130] = 80
    for k in range(4):
        gray[50:190, 38 + 24 * k : 50 + 24 * k] = 150 + 12 * k
    return np.clip(np.rint(gray + rng.normal(0, 2, gray.shape)), 0, 255).astype(np.uint8)


@example(gain=0.5625, shift=-14, seed=0)
@given(gain=st.floats(0.5, 1.3), shift=st.integers(-15, 30), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_another_exposure_of_the_same_hand_is_brought_back(gain, shift, seed):
    like = Film(hand(), 25)
    assume(25 * gain + shift >= -1 and 186 * gain + shift <= 256)  # what the film clipped, nothing brings back
    other = np.clip(np.rint(hand(seed) * gain + shift), 0, 255).astype(np.uint8)
    table = matching_table(Film(other, int(np.median(other[0]))), like)
    assert (np.diff(table.astype(int)) >= 0).all()
    for region in (np.s_[5:30], np.s_[100:180, 55:58], np.s_[100:180, 40:48], np.s_[100:180, 114:120]):
        assert np.median(table[other[region]]) == pytest.approx(np.median(like.gray[region]), abs=3)


def test_a_film_matched_to_itself_is_itself_and_an_empty_one_is_left_alone():
    film = Film(hand(), 25)
    assert np.array_equal(matching_table(film, Film(hand(), 25)), np.arange(256))
    assert matching_table(Film(np.full((90, 90), 7, np.uint8), 7), film) is None
    assert matching_table(film, Film(np.full((90, 90), 7, np.uint8), 7)) is None


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_recipe_that_asks_for_it_shows_no_exposure_border(scale):
    films = {"a": Film(hand(), 25), "b": Film((hand(1) * 0.6 + 40).astype(np.uint8), 55)}
    size = (160, 200)
    halves = ((-0.5, -0.5, 159.5, 119.5), (-0.5, 119.5, 159.5, 199.5))

    def made(levels):
        places = tuple(
            Placement.of(name, identity(), half, levels=levels) for name, half in zip(films, halves, strict=True)
        )
        recipe = Recipe.from_dict(Recipe("ricap", 1, 0, size, places).to_dict())
        return render_image(recipe, films.__getitem__, scale).astype(float)

    def jump(picture):
        rows = picture[:, : int(25 * scale)].mean(axis=1)
        return abs(rows[int(130 * scale)] - rows[int(110 * scale)])

    assert jump(made(None)) > 20
    assert jump(made("first")) < 3
    with pytest.raises(RecipeError, match="levels"):
        Recipe("ricap", 1, 0, size, (Placement.of("a", identity(), frame(*size), levels="last"),)).check()
