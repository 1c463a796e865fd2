"""Open, filter and extend manifests of 1k to 1M samples, each measurement in a process of its own.

    python -m benchmarks.manifest.scale [rows ...]

Prints a table and writes nothing beside a temporary folder. The rows are synthetic, as wide as real ones: random
digests (which do not compress), two films a patient, metadata, tags on one film in fifty.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.files import digest_bytes, write_atomically
from curate.manifest import Manifest, SampleRow
from curate.manifest.commit import commit_version, version_digest, writing
from curate.manifest.head import NAME, TABLES, head_bytes
from curate.manifest.splits import split_bytes
from curate.manifest.table import SCHEMA, to_bytes
from curate.steps import drop

ROWS = (1_000, 10_000, 100_000, 1_000_000)
CHILDREN = 800
ONCE = ("drop by tag", "read all")
"""Asked twice, the first is a no-op; and the second is slow enough to say it at once."""



def digests(rng: np.random.Generator, n: int) -> pa.Array:
    raw = rng.bytes(32 * n).hex()
    return pa.array([f"sha256:{raw[64 * k : 64 * k + 64]}" for k in range(n)])


def make(root: Path, n: int) -> None:
    """A manifest of one version with n originals, written without making n objects."""
    rng = np.random.default_rng(n)
    names = [f"ID{k // 2:06d}/image{k:08d}" for k in range(n)]
    groups = [name.partition("/")[0] for name in names]
    tags = [["ring"] if k % 50 == 0 else [] for k in range(n)]
    meta = [f'{{"age":{20 + k % 60},"sex":"{"male" if k % 3 else "female"}"}}' for k in range(n)]
    nothing = pa.nulls(n, pa.string())
    columns = {
        "op": pa.array(["put"] * n), "id": pa.array(names), "image": pa.array([f"DCM/{x}.png" for x in names]),
        "labels": pa.array([f"outputs_json/{x}.json" for x in names]), "group": pa.array(groups),
        "fold": pa.nulls(n, pa.int32()), "side": pa.array(["left" if k % 2 else "right" for k in range(n)]),
        "width": pa.array(np.full(n, 2048, np.int32)), "height": pa.array(np.full(n, 2048, np.int32)),
        "tags": pa.array(tags, pa.list_(pa.string())), "parents": pa.array([[]] * n, pa.list_(pa.string())),
        "recipe": nothing, "digest": digests(rng, n), "pixels": digests(rng, n), "file": digests(rng, n),
        "label_file": digests(rng, n), "meta": pa.array(meta), "dropped": nothing,
    }  # fmt: skip
    table = pa.table(columns, schema=SCHEMA)
    data = to_bytes(table)
    fold_of = {g: k % 5 for k, g in enumerate(dict.fromkeys(groups))}
    split = split_bytes(fold_of)
    write_atomically(root / TABLES / "v1.parquet", data)
    write_atomically(root / TABLES / "splits/s1.csv", split)
    about = {"file": f"{TABLES}/splits/s1.csv", "digest": digest_bytes(split), "groups": len(fold_of)}
    step = {"name": "init", "films": n}
    entry = {
        "parent": None, "step": step, "split": "s1", "samples": n,
        "digest": version_digest(None, step, ["a"], about["digest"], table),
        "table": {"file": f"{TABLES}/v1.parquet", "rows": n, "digest": digest_bytes(data)},
    }  # fmt: skip
    splits = {"s1": {**about, "folds": 5, "test": 0.0, "seed": 0}}
    head = {"carpus": 1, "name": "scale", "classes": ["a"], "splits": splits, "versions": {"v1": entry}}
    write_atomically(root / NAME, head_bytes(head))


def child(k: int, parent: str, group: str, fold: int) -> SampleRow:
    recipe = {"operator": "rotate", "operator_version": 1, "seed": k, "size": [2048, 2048], "fill": "background",
              "placements": [{"parent": parent, "affine": [[1, 0, k], [0, 1, 0]], "field": None, "weight": 1.0,
                              "region": [-0.5, -0.5, 2047.5, 2047.5], "blend": "replace"}], "filters": []}  # fmt: skip
    digest = digest_bytes(f"{k}".encode())
    return SampleRow(f"rotate/{k:06d}", None, None, group, fold, "train", None, 2048, 2048, parents=(parent,),
                     recipe=recipe, digest=digest)  # fmt: skip


def measure(what: str, root: Path) -> dict[str, float]:
    """One measurement in this process: seconds on the clock and of the processor, and the peak memory."""
    start, cpu = time.perf_counter(), time.process_time()
    version = Manifest.open(root).version()
    if what == "filter":
        table = version.table(["group", "side", "tags"])
        left = table.filter(pc.equal(table["side"], "left"))
        count = left.num_rows
    elif what == "filter by fold":
        count = version.films(0, ["side"]).num_rows
    elif what == "drop by tag":
        step = drop(Manifest.open(root), flag_names=["ring"], flags={}, source="v1", name=f"drop{time.time_ns()}")
        count = len(step.samples)
    elif what == "read all":
        count = len(version.samples)
    elif what == "add":
        fold = version.fold_of
        first = version.table(["group"]).slice(0, CHILDREN)
        pairs = zip(first["id"].to_pylist(), first["group"].to_pylist(), strict=True)
        rows = [child(k, i, g, fold[g]) for k, (i, g) in enumerate(pairs)]
        with writing(root):
            step = {"name": "rotate", "n": len(rows), "seed": 1}
            count = len(commit_version(root, name=f"add{time.time_ns()}", parent=version, step=step, put=rows))
    spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    return {**spent, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "count": count}


def apart(what: str, root: Path, rows: int = 0) -> dict[str, float]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.manifest.scale", "--one", what, str(root), str(rows)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main(sizes: list[int]) -> None:
    print(f"{'rows':>9}  {'what':15}{'seconds':>9}{'cpu s':>8}{'peak MiB':>10}{'table MB':>10}")
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            apart("make", root, n)  # the peak memory of a child begins at its parent's
            size = (root / TABLES / "v1.parquet").stat().st_size / 1e6
            for what in ("filter", "filter by fold", "add", "drop by tag", "read all"):
                got = min((apart(what, root) for _ in range(1 if what in ONCE else 3)), key=lambda g: g["cpu"])
                figures = f"{got['seconds']:>9.3f}{got['cpu']:>8.3f}{got['mib']:>10.0f}{size:>10.2f}"
                print(f"{n:>9}  {what:15}{figures}", flush=True)
            added = list((root / TABLES).glob("add*.parquet"))
            print(f"{'':>9}  a version of {CHILDREN} more takes {added[0].stat().st_size / 1e3:.1f} kB")


if __name__ == "__main__":
    if "--one" in sys.argv:
        if sys.argv[2] == "make":
            make(Path(sys.argv[3]), int(sys.argv[4]))
            print("{}")
        else:
            print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main([int(a) for a in sys.argv[1:]] or list(ROWS))
