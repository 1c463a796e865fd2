"""Head, tables, commit, lineage: a version never changes, and only the head names anything."""

import pickle
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import yaml

from augment.make import make_version
from augment.plan.mosaic import Mosaic
from curate.errors import LeakError, LockedError, ManifestError, UsageError
from curate.files import digest_bytes, inside
from curate.manifest import Manifest
from curate.manifest.commit import commit_version, version_digest, writing
from curate.manifest.lineage import ancestors, check_leaks, check_trainable
from curate.manifest.table import SCHEMA, to_bytes, to_table
from train.arms import make_arm


def rewrite(version, change, honest=True):
    """Edit a version's own table by hand; ``honest`` mends the digest in the head too, as a forger would."""
    info = version.entry["table"]
    path = version.root / info["file"]
    rows = pq.read_table(path).to_pylist()
    change(rows)
    import pyarrow as pa

    data = to_bytes(pa.Table.from_pylist(rows, schema=SCHEMA))
    path.write_bytes(data)
    if honest:
        head = yaml.safe_load(version.manifest.path.read_text())
        head["versions"][version.name]["table"]["digest"] = digest_bytes(data)
        version.manifest.path.write_text(yaml.safe_dump(head, sort_keys=False))
    return Manifest.open(version.manifest.path).version(version.name)


def mosaics(version, n=6):
    return make_version(version.manifest, Mosaic(), n).version


def test_rows_survive_the_table(version):
    table = to_table(version.samples)
    assert table.num_rows == 12
    assert to_bytes(table) == to_bytes(to_table(reversed(version.samples)))
    assert [r.id for r in version.samples] == sorted(r.id for r in version.samples)
    assert pickle.loads(pickle.dumps(version)).row(version.samples[0].id) == version.samples[0]


def test_a_version_and_its_manifest_say_what_they_are(version):
    assert repr(version) == f"<Version v1 of {version.root}: 12 samples, init>"
    assert repr(version.manifest).endswith("data_manifest.yaml: 1 versions, the newest v1>")


def test_a_version_that_adds_does_not_copy_its_parents_rows(version):
    child = mosaics(version)
    assert child.own_table().num_rows == 6
    assert len(child) == len(child.samples) == 18
    assert child.table(["id"]).num_rows == 18


def test_manifest_is_found_from_below(version, monkeypatch):
    monkeypatch.chdir(version.root / "DCM")
    assert Manifest.find().path == version.manifest.path
    with pytest.raises(ManifestError, match="curate init"):
        Manifest.find(version.root / "DCM")


def test_versions_never_change(version):
    with writing(version.root), pytest.raises(ManifestError, match="never change"):
        commit_version(version.root, name="v1", parent=version, step={"name": "x"})
    with pytest.raises(UsageError, match="there are: v1"):
        version.manifest.version("v9")


def test_a_digest_tells_all_that_a_version_is(version):
    def digest(put=version.samples, drop=(), **head):
        told = {"parent": "sha256:0", "step": {"name": "x"}, "classes": ("a", "b"), "split": "sha256:1"} | head
        return version_digest(told["parent"], told["step"], told["classes"], told["split"], to_table(put, drop))

    first, *rest = version.samples
    others = [
        digest(parent=None), digest(step={"name": "x", "n": 1}), digest(classes=("b", "a")), digest(split="sha256:2"),
        digest(rest), digest(drop=("gone",)), digest(drop=("gone too",)), digest([first.with_tags("ring"), *rest]),
        digest([replace(first, group="another"), *rest]), digest([replace(first, digest="sha256:3"), *rest]),
        digest([replace(first, id="0/renamed"), *rest]),
    ]  # fmt: skip
    assert len({digest(), *others}) == 1 + len(others)
    assert digest(step={"name": "x", "virtual": True}) == digest(reversed(version.samples)) == digest()


def test_the_lock_names_its_holder_and_is_freed_by_an_error(version):
    with writing(version.root), pytest.raises(LockedError, match="process"), writing(version.root):
        pass
    with pytest.raises(RuntimeError, match="boom"), writing(version.root):
        raise RuntimeError("boom")
    with writing(version.root):
        pass


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1", "line"),
        ("- 1\n- 2\n", "top level"),
        ("carpus: 1\ncarpus: 1\n", "given twice"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("a: !!python/object/apply:os.system ['true']\n", "constructor"),
        ("[" * 60 + "]" * 60, "nested deeper"),
        ("carpus: 2\nname: x\nclasses: [a]\nsplits: {}\nversions: {}\n", "carpus: 1 was expected"),
        ("carpus: 1\nname: x\nclasses: [a, a]\nsplits: {}\nversions: {}\n", "classes"),
    ],
)
def test_a_head_that_is_not_one_is_refused_in_one_line(tmp_path, text, fault):
    path = tmp_path / "data_manifest.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError, match=fault) as caught:
        Manifest.open(path)
    assert "data_manifest.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_stay_inside(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/out").symlink_to(tmp_path)
    for path in ("../x", "/etc/passwd", "a/../../x", "", "out/x", "a\0b"):
        with pytest.raises(ManifestError):
            inside(tmp_path / "set", path)
    assert inside(tmp_path / "set", "a/b.png") == tmp_path / "set/a/b.png"


def test_a_changed_table_or_split_is_noticed(version):
    changed = rewrite(version, lambda rows: rows[0].update(side="left"), honest=False)
    with pytest.raises(ManifestError, match="does not match the digest"):
        _ = changed.samples


def test_lineage_goes_down_to_originals(version):
    child = mosaics(version)
    for row in child.samples:
        roots = ancestors(child, row.id)
        assert roots == ({row.id} if row.is_original else set(row.parents))
        assert {child.row(r).fold for r in roots} == {row.fold}
    check_leaks(child)
    for fold in range(child.folds):
        arm = make_arm(child, child, fold)
        train, held = arm.training, arm.evaluation
        seen = {r for row in train for r in ancestors(child, row.id)}
        assert not seen & {r.id for r in held}
        assert not {child.row(r).group for r in seen} & {r.group for r in held}
        assert all(r.is_original for r in held)
        assert any(not r.is_original for r in train)
    with pytest.raises(UsageError, match="does not exist"):
        make_arm(child, child, 7)


def forge_parent(rows, parent, fields=("parents", "recipe")):
    """Make the first child descend from ``parent`` as well."""
    import orjson

    row = next(r for r in rows if r["recipe"])
    if "parents" in fields:
        row["parents"] = [*row["parents"], parent]
    if "recipe" in fields:
        recipe = orjson.loads(row["recipe"])
        recipe["placements"][0]["parent"] = parent
        row["recipe"] = orjson.dumps(recipe).decode()
    return row["id"]


@pytest.mark.parametrize("fields", [("parents",), ("recipe",), ("parents", "recipe")])
def test_a_leak_put_in_by_hand_is_refused_by_name(version, fields):
    child = mosaics(version)
    named = {}

    def leak(rows):
        victim = next(r for r in rows if r["recipe"])
        other = next(r.id for r in version.samples if r.fold != victim["fold"])
        named["id"] = forge_parent(rows, other, fields)

    for honest in (True, False):
        forged = rewrite(child, leak, honest)
        with pytest.raises(LeakError, match="different folds") as caught:
            check_trainable(forged)
        assert caught.value.path == named["id"]
        assert caught.value.exit_code == 1


def test_other_leaks_put_in_by_hand(version):
    child = mosaics(version)

    def moved(rows):
        rows[0]["fold"] = 1 - rows[0]["fold"]

    with pytest.raises(LeakError, match="says fold"):
        check_leaks(rewrite(child, moved))

    def renamed(rows):
        rows[0].update(fold=1 - rows[0]["fold"], group="ID001")

    with pytest.raises(LeakError, match="says group ID001"):
        check_leaks(rewrite(child, renamed))


def test_a_table_changed_without_a_leak_is_not_trained_on(version):
    with pytest.raises(ManifestError, match="does not match the digest"):
        check_trainable(rewrite(mosaics(version), lambda rows: rows[0].update(side="left"), honest=False))


def test_a_split_edited_by_hand_is_refused(version):
    child = mosaics(version)
    info = child.manifest.head["splits"][child.split]
    path = child.root / info["file"]
    lines = path.read_text().splitlines()
    group = next(r for r in child.samples if not r.is_original).group.split("+")[0]
    path.write_text("\n".join(f"{group},test" if line.startswith(f"{group},") else line for line in lines) + "\n")
    with pytest.raises(LeakError, match="test set"):
        check_trainable(Manifest.open(child.manifest.path).version(child.name))


def test_a_parent_that_is_nowhere_is_a_leak(version):
    child = mosaics(version)
    with pytest.raises(LeakError, match="is not in"):
        check_leaks(rewrite(child, lambda rows: forge_parent(rows, "ID999/none")))


def test_what_descends_from_itself_is_a_leak(version):
    child = mosaics(version)

    def loop(rows):
        forge_parent(rows, rows[0]["id"], ("parents",))

    with pytest.raises(LeakError, match="descends from itself"):
        check_leaks(rewrite(child, loop))
