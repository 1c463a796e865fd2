"""verify finds what was changed, and names it."""

import pytest

from augment.make import make_version
from augment.plan.mosaic import Mosaic
from curate.verify import verify_manifest


@pytest.fixture
def made(version):
    return make_version(version.manifest, Mosaic(), 4).version


def paths(version):
    return {(p.path, p.kind) for p in verify_manifest(version.manifest, [version.name]).problems}


def test_nothing_to_find(made):
    assert verify_manifest(made.manifest).problems == []


def test_a_manifest_opened_before_the_last_version_is_verified_as_it_is_now(version, made):
    found = verify_manifest(version.manifest)
    assert (found.problems, found.orphans, found.samples) == ([], [], 16)


@pytest.mark.parametrize("which", ["image", "labels"])
def test_every_single_bit_counts(made, which):
    for row in made.samples[::5]:
        path = made.root / getattr(row, which)
        whole = path.read_bytes()
        for at in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert (getattr(row, which), "changed") in paths(made)
        path.write_bytes(whole)
    assert paths(made) == set()


def test_missing_files_tables_and_splits(made):
    row = made.samples[-1]
    (made.root / row.labels).unlink()
    assert paths(made) == {(row.labels, "missing")}
    table = made.root / made.entry["table"]["file"]
    table.write_bytes(table.read_bytes()[:-3])
    assert (made.entry["table"]["file"], "table") in paths(made)


def test_a_forged_recipe_breaks_the_identity(made):
    import orjson

    from tests.curate.test_manifest import rewrite

    def forge(rows):
        recipe = orjson.loads(rows[0]["recipe"])
        recipe["seed"] += 1
        rows[0]["recipe"] = orjson.dumps(recipe, option=orjson.OPT_SORT_KEYS).decode()

    forged = rewrite(made, forge)
    found = [p for p in verify_manifest(forged.manifest, [made.name]).problems if p.kind != "head"]
    assert [(p.kind, "does not follow" in p.detail) for p in found] == [("lineage", True)]


def test_a_head_edited_by_hand_is_read_and_told(made):
    path = made.manifest.path
    whole = path.read_bytes()

    def told(data):
        path.write_bytes(data)
        return [p.detail for p in verify_manifest(made.manifest).problems if p.kind == "head"]

    assert "does not match its seal" in told(whole.replace(b"name: tiny\n", b"name: tidy\n"))[0]
    assert "has no seal" in told(whole.rpartition(b"seal: ")[0])[0]
    assert told(whole.replace(b"\n", b"\r\n")) == []  # git on Windows
    assert told(whole) == []
