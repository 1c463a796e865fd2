"""Every detector on real films, planted label errors, copies and phantoms: ``python -m benchmarks.flags``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import cv2

from benchmarks.flags import judged, labels, others, phantoms, real, speed, twins
from benchmarks.flags.scores import HEADER, Result
from benchmarks.flags.sheet import sheet
from curate.flags import Film


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _picture(data: Path, results: list[Result], said: dict, out: Path) -> None:
    """Films missed, and false alarms, of the heads that had not learnt from them; on one sheet. Boxes are those of the
    heads that ship."""
    entries = []
    for r in results:
        if r.where != judged.WHERE["fold"]:
            continue
        for kind, names in (("missed", r.missed), ("false alarm", r.false)):
            for name in names:
                flag = said[name].flag(r.flag)
                entries.append((r.flag, kind, name, flag.score, flag.where))

    def read(name: str):
        film = Film(name, name, data / "radiographs" / name)
        return film.gray if film.fault is None else None

    cv2.imwrite(str(out / "missed-and-false.png"), sheet(entries, read))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/flags"))
    parser.add_argument("--phantoms", type=int, default=60, help="phantom films; 0 for none")
    parser.add_argument("--planted", type=int, default=5, help="planted errors of each kind for each labelled film")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    found = real.run(args.data / "radiographs", _say)
    results = [*judged.results(*judged.load()), *real.results(found)]
    results += twins.results(args.data, _say)
    planted = {"ten films": labels.results(args.data, args.planted, _say)}
    planted["second reader"] = labels.second(args.data, args.planted, _say)
    if args.phantoms:
        with tempfile.TemporaryDirectory() as folder:
            results += phantoms.results(Path(folder), args.phantoms, 768, _say)
            planted["phantoms"] = labels.of_phantoms(Path(folder), args.planted, _say)
    results += [result for found_there, _ in planted.values() for result in found_there]
    kinds = {where: there for where, (_, there) in planted.items()}
    turned = judged.orientation(*judged.load())
    odd = real.truths(found)
    baseline = {
        "pyod": others.pyod(args.data / "radiographs", odd),
        "cleanvision": others.cleanvision(args.data / "radiographs"),
    }
    rates, fast = speed.lines(args.data)
    print(HEADER)
    print("\n".join(r.row() for r in results))
    for where, o in turned.items():
        print(f"fingers_deg      {where:<28} {o.row()}")
    print("\n".join(["other tones, left-out fold: recall, false alarms", *judged.tones(*judged.load())]))
    print(judged.composed(*judged.load()))
    for where, there in kinds.items():
        print(f"{where}: {labels.table(there)}")
    for name, values in baseline.items():
        print(f"{name}: {values or 'not installed (pip install ' + name + ')'}")
    print("\n".join(fast))
    _picture(args.data, results, found.said, args.out)
    report = {
        "results": [r.to_dict() for r in results],
        "orientation": {k: o.to_dict() for k, o in turned.items()},
        "planted": kinds,
        "others": baseline,
        "rates": rates,
    }
    (args.out / "flags.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"figures and picture in {args.out}")


if __name__ == "__main__":
    main()
