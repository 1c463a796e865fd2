"""What heads say of films that they did not learn from: thresholds, and the table of docs/flags.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.flags.halves import halves_of
from benchmarks.flags.marks import Marked, fingers_degrees
from benchmarks.flags.pictures import folds_of
from benchmarks.flags.real import Real, truths
from benchmarks.flags.sample import THINGS
from benchmarks.flags.scores import HEADER, Case, judge
from curate.flags.heads import WHOLE, say
from curate.flags.perception import TURNS, joined, turned
from curate.sample.image import decode, read_bytes

ALARMS = 0.02
"""Share of films without a thing that may be flagged."""

FLAGS = {**{name: name for name in (*THINGS, *WHOLE)}, "bent": "bent-finger"}
"""What a head says -> the flag that comes of it."""

Heads = Mapping[str, np.ndarray]


def look(
    data: Path, half_heads: Mapping[int, Heads], fold_heads: Mapping[int, Heads], log: Callable[[str], None]
) -> list[dict]:
    """For every film: what is true of it, and what is said by heads that know nothing of its half ("half", by half) and
    by heads that know nothing of its fold ("fold", by fold)."""
    films, rows, half = halves_of(data)
    fold = folds_of(films, rows, half)
    told = truths(Real({f.name: f for f in films}, rows, half, {}))
    cases = []
    for number, film in enumerate(films):
        path = data / film.name
        gray = decode(read_bytes(path), path, allow_truncated=True).gray
        gray = 255 - gray if told["inverted"][film.name] else gray
        seen, negative = [turned(gray, turn) for turn in range(TURNS)], turned(255 - gray, 0)
        case = {
            "film": film.name, "study": rows[film.name]["study"], "side": half[film.name],
            "truth": {n: told[f].get(film.name) for n, f in FLAGS.items()},
            "fingers_deg": _alone(film),
        }  # fmt: skip
        heads = {"half": half_heads[half[film.name]], "fold": fold_heads[fold[film.name]]}
        for kind, weights in heads.items():
            said = [say(weights, s) for s in seen]
            right = float(said[0].whole[0] - say(weights, negative).whole[0]) / 2
            whole = joined(gray.shape, said, right)
            logits = {n: whole.strongest(n) for n in THINGS} | whole.whole
            case[kind] = {"logits": logits, "fingers_deg": whole.fingers_deg}
        cases.append(case)
        if number % 50 == 0:
            log(f"{number} films judged")
    return cases


def _alone(film: Marked) -> float | None:
    """Where the fingers of a hand alone on its film point; ``None`` of other films."""
    if film.region != "H" or film.views != 1 or [k.kind for k in film.limbs] != ["h"]:
        return None
    return fingers_degrees(film.limbs[0])


def high(negatives: np.ndarray, share: float = ALARMS) -> float:
    """The value that ``share`` of such values exceed, told from few of them: above the fourth fifth their excess is
    taken to fall off exponentially (peaks over threshold, Pickands 1975), its scale from the excesses but their largest
    tenth, so that a film or two unlike the rest do not set it."""
    base = float(np.quantile(negatives, 0.8))
    above = np.sort(negatives[negatives > base] - base)
    kept = above[: int(np.ceil(0.9 * len(above)))]
    scale = float(kept.mean()) / (1 - np.log(10) / 9) if len(kept) else 0.0
    return base + scale * float(np.log(0.2 / share))


def thresholds(cases: Sequence[dict], kind: str = "fold") -> dict[str, float]:
    """Logit of each statement at which its flag is raised."""
    out = {}
    for name in FLAGS:
        no = [c[kind]["logits"][name] for c in cases if c["truth"][name] is False]
        out[name] = 0.0 if name == "inverted" else round(high(np.array(no)), 3)
    return out


def table(cases: Sequence[dict], half: Mapping[str, float]) -> str:
    """Both ways of judging, a line a flag. "other half": heads and threshold know nothing of the film's half of the
    studies; "left-out fold": heads know nothing of its fold, and ``half`` was set on these very scores."""
    lines = [HEADER]
    levels = {side: thresholds([c for c in cases if c["side"] != side], "half") for side in (0, 1)}
    for name, flag in FLAGS.items():
        for kind, where in (("half", "other half"), ("fold", "left-out fold")):
            judged = []
            for case in cases:
                truth = case["truth"][name]
                if truth is None:
                    continue
                level = half[name] if kind == "fold" else levels[case["side"]][name]
                score = case[kind]["logits"][name]
                judged.append(Case(case["film"], case["study"], truth, score, score >= level))
            result = judge(flag, where, judged)
            lines.append(f"{result.row()}  missed {result.missed} false {result.false}")
    for kind in ("half", "fold"):
        found = [(c[kind]["fingers_deg"], c["fingers_deg"]) for c in cases if c["fingers_deg"] is not None]
        errors = np.array([180.0 if a is None else abs((a - b + 180) % 360 - 180) for a, b in found])
        lines.append(
            f"fingers_deg, {kind}: n {len(errors)}, median error {np.median(errors):.1f}, 90% under"
            f" {np.percentile(errors, 90):.1f}, over 45 degrees: {int((errors > 45).sum())}"
        )
    wrong = sum(c["fold"]["logits"]["inverted"] > 0 for c in cases)
    lines.append(f"inverted: {wrong} of {len(cases)} films taken for their negative")
    return "\n".join(lines)
