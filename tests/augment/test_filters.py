"""Pixel filters by name: replayed from the recipe, refused with a reason, and never moving a vertex."""

import numpy as np
import pytest

from augment.plan.filter import Filter, parse
from curate.errors import RecipeError, UsageError
from curate.sample.filters import SHORT_NAMES, apply_filter, filter_name
from curate.sample.recipe import Filter as Step
from curate.sample.recipe import Recipe
from tests.augment.world import paint, world_of


@pytest.mark.parametrize("short", SHORT_NAMES)
def test_the_fields_filters_are_replayed_from_the_seed_alone(short):
    gray = np.random.default_rng(0).integers(0, 256, (48, 40), dtype=np.uint8)
    step = Step(filter_name(short))
    np.random.seed(1)
    once = apply_filter(step, gray, 11)
    np.random.seed(2)
    assert np.array_equal(once, apply_filter(step, gray, 11))
    assert not np.array_equal(once, gray)
    assert once.dtype == np.uint8
    assert once.shape == gray.shape


def test_another_seed_draws_other_noise():
    gray = np.full((32, 32), 100, np.uint8)
    step = Step("GaussNoise")
    assert not np.array_equal(apply_filter(step, gray, 1), apply_filter(step, gray, 2))


def test_words_become_filters_with_parameters():
    steps = parse(("clahe", "clip_limit=2", "tile_grid_size=4,4", "Sharpen", "alpha=[0.2,0.3]", "jpeg"))
    assert [s.name for s in steps] == ["CLAHE", "Sharpen", "ImageCompression"]
    assert steps[0].params == {"clip_limit": 2, "tile_grid_size": [4, 4]}
    assert steps[1].params == {"alpha": [0.2, 0.3]}


@pytest.mark.parametrize("name", ["Emboss", "MotionBlur", "Downscale", "sharpen", "jpeg", "blur", "Defocus"])
def test_outlines_stay_where_they_are_under_a_planned_filter(name):
    y, x = np.mgrid[:160, :160]
    disc = (x - 80) ** 2 + (y - 75) ** 2 < 40**2
    gray = np.where(disc, 200, 60).astype(np.uint8)
    (step,) = parse((name,))
    for seed in range(6):
        found = apply_filter(step, gray, seed) > 130
        assert np.hypot(x[found].mean() - x[disc].mean(), y[found].mean() - y[disc].mean()) < 1


def test_a_filter_keeps_the_labels_and_survives_its_recipe():
    world = world_of(0)
    paint(world)
    planner = Filter(apply=("CLAHE", "clip_limit=3", "noise", "std_range=0.02,0.04", "blur"), pick=2)
    chosen = set()
    for recipe in planner.plan(world.pool(), 8, 0):
        again = Recipe.from_dict(recipe.to_dict())
        done = world.render(again)
        assert np.array_equal(done.image, world.render(recipe).image)
        for a, b in zip(done.annotations, world.shapes[recipe.parents[0]], strict=True):
            assert a.geometry.equals_exact(b.geometry, 0)
        assert len(recipe.filters) == 2
        chosen.add(tuple(f.name for f in recipe.filters))
    assert len(chosen) > 1


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((), "needs the name of a filter"),
        (("ZoomBlur",), "would move outlines"),
        (("MotionBlur", "allow_shifted=true"), "would move outlines"),
        (("clip_limit=2",), "before the name"),
        (("CLAHEE",), "near: CLAHE"),
        (("CLAHE", "clip=2"), "doesn't take these parameters"),
        (("CLAHE", "clip_limit=no"), "doesn't take these parameters"),
        (("Normalize",), "float32"),
        (("RandomRain",), "grey film"),
        (("ShiftScaleRotate",), "no filter known"),
    ],
)
def test_what_cannot_be_applied_is_refused_when_planned(words, fault):
    with pytest.raises(UsageError, match=fault):
        Filter(apply=words)


def test_an_unknown_filter_in_a_recipe_is_refused():
    with pytest.raises(RecipeError, match="no filter known here"):
        apply_filter(Step("Nothing"), np.zeros((4, 4), np.uint8), 0)
