"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from curate.ingest import ingest
from tests.browser import Browser
from tests.phantoms import tiny_set

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
"""A gate that draws other cases each time fails at random and teaches people to run it again: `make test` draws the
same ones, and `make test-long` goes on searching."""


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real films: ``$CARPUS_TEST_DATA``, else ``../shared/data`` beside the checkout."""
    place = Path(os.environ.get("CARPUS_TEST_DATA", Path(__file__).parents[2] / "shared/data"))
    if not place.is_dir():
        pytest.skip(f"no real films: set CARPUS_TEST_DATA, or put them at {place}")
    return place


@pytest.fixture
def hands(real_data: Path, tmp_path: Path) -> Path:
    """A writable copy of the ten labelled real films, in the competition's layout."""
    return Path(shutil.copytree(real_data / "hands29", tmp_path / "hands29", copy_function=shutil.copyfile))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Six patients with two tiny films each, not yet a data set of ours."""
    return tiny_set(tmp_path / "tiny")


@pytest.fixture
def version(tiny: Path):
    """v1 of the tiny films."""
    return ingest(tiny).version


@pytest.fixture(scope="session")
def chromium_page(tmp_path_factory):
    """One headless Chromium for the session; skips where there is none."""
    with Browser(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def browser(chromium_page):
    """A browser whose page has said nothing yet."""
    chromium_page.errors.clear()
    return chromium_page
