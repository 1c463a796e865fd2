"""A version's samples as objects made on demand: the same as if all had been made at once."""

import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from curate.errors import ManifestError
from curate.manifest import SampleRow
from curate.manifest import rows as module
from curate.manifest.rows import ById, Rows, is_put, rows_of
from curate.manifest.table import to_table


def row(k: int, **changes) -> SampleRow:
    made = SampleRow(
        f"ID{k:03d}/x", f"DCM/{k}.png", None, f"ID{k // 2}", k // 2 % 3, "train", None, 8, 9,
        tags=("ring", "cast")[: k % 3], digest=f"d{k}", meta={"age": k % 4},
    )  # fmt: skip
    return replace(made, **changes)


def stacked(layers, fold_of):
    """Rows of tables, oldest first, and what a plain overlay of them gives."""
    plain: dict[str, SampleRow] = {}
    for put, drop in layers:
        plain = {k: r for k, r in plain.items() if k not in drop} | {r.id: r for r in put}
    tables, hidden = [], set()
    for put, drop in reversed(layers):
        table = to_table(put, drop)
        seen = is_put(table) & ~np.isin(table["id"].to_pylist(), list(hidden))
        hidden |= set(table["id"].to_pylist())
        tables.append((table, seen))
    return Rows(tables, fold_of), [plain[k] for k in sorted(plain)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 7)
    monkeypatch.setattr(module, "KEPT", 3)


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_the_overlay_of_the_tables(seed):
    rng = np.random.default_rng(seed)
    fold_of = {f"ID{g}": g % 3 for g in range(40)}
    child = row(70, id="rotate/1", parents=("ID001/x",), recipe={"placements": [{"parent": "ID001/x"}]}, fold=2,
                group="ID0", dropped={"Ulna": 1})  # fmt: skip
    layers = [
        ([row(k) for k in range(60)], ()),
        ([row(k, tags=("new",)) for k in rng.choice(60, 9, replace=False).tolist()] + [child], ["ID060/never-there"]),
        ([row(k) for k in range(60, 66)], [f"ID{k:03d}/x" for k in rng.choice(60, 5, replace=False)]),
    ]
    rows, plain = stacked(layers, fold_of)
    for given in (rows, pickle.loads(pickle.dumps(rows))):
        assert list(given) == plain == list(given)  # a second time too
        assert len(given) == len(plain)
        assert rows.ids() == [r.id for r in plain]
        assert all(given[int(k)] == plain[k] for k in rng.permutation(len(plain)))
        assert given[-1] == plain[-1]
        assert given[3:50:9] == tuple(plain[3:50:9])
        with pytest.raises(IndexError):
            given[len(plain)]
    by_id = ById(rows)
    assert dict(by_id) == {r.id: r for r in plain}
    assert "nobody" not in by_id
    assert by_id.get("nobody") is None
    assert by_id.keys() - {plain[0].id} == {r.id for r in plain[1:]}


def test_few_are_kept_and_many_are_made_anew():
    few = rows_of(to_table(map(row, range(21))), {f"ID{g}": 0 for g in range(60)})
    assert all(a is b for a, b in zip(few, few, strict=True))
    many = rows_of(to_table(map(row, range(100))), {f"ID{g}": 0 for g in range(60)})
    kept = [a is b for a, b in zip(list(many), many, strict=True)]
    assert kept == [True] * 21 + [False] * 79
    assert [r.id for r in many] == many.ids()


def test_nothing_at_all():
    assert list(Rows([], {})) == [] == rows_of(to_table([]), {}).ids()


def test_an_original_without_a_fold_is_named_at_once():
    with pytest.raises(ManifestError, match="ID004/x: group ID2 is not in the split"):
        rows_of(to_table(map(row, range(6))), {"ID0": 0, "ID1": 0})
    dropped = to_table(map(row, range(4)), ["ID009/x"])
    assert len(rows_of(dropped, {"ID0": 0, "ID1": 0})) == 4


def test_pieces_of_a_table_are_one_sequence():
    table = to_table(map(row, range(30)))
    pieces = pa.concat_tables([table.slice(0, 11), table.slice(11, 1), table.slice(12)])
    fold_of = {f"ID{g}": -1 for g in range(15)}
    assert list(rows_of(pieces, fold_of)) == list(rows_of(table, fold_of))
    assert {r.split for r in rows_of(table, fold_of)} == {"test"}
