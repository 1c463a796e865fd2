"""What heads say of films that they did not learn from: thresholds, and the table of docs/flags.md."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.flags.halves import halves_of
from benchmarks.flags.marks import Marked, alone, close_up, fingers_degrees, hand_shown
from benchmarks.flags.pictures import folds_of
from benchmarks.flags.real import Orientation, Real, truths
from benchmarks.flags.sample import THINGS, Source, wearing
from benchmarks.flags.scores import HEADER, Case, Result, judge
from benchmarks.flags.tones import OTHERS, others
from curate.flags import Film
from curate.flags.grid import unpadded
from curate.flags.heads import WHOLE, Features, say
from curate.flags.perception import TURNS, Perception, joined, sigmoid, turned
from curate.flags.rotation import NO_HAND

ALARMS = 0.02
"""Share of films without a thing that may be flagged."""

FLAGS = {name: {"bent": "bent-finger"}.get(name, name) for name in (*THINGS, *WHOLE) if name != "inverted"}
"""What a head says -> the flag that comes of it, where the flag has a threshold of its own."""

WHERE = {"half": "other half", "fold": "left-out fold"}

CLOSE = ", close up"

NO_HALF = ", no half hand"
"""Of films that are no hand, those that show less than half of one: the rest are arms whose hand can be seen too."""

WORN = {
    "finger ring": ("jewellery", True),
    "bangle": ("jewellery", False),
    "implant": ("implant", None),
    "nail art": ("nail-art", None),
    "plaster": ("cast", None),
}
"""What is composed into films that show one hand and nothing on it: the thing it is, and whether on a finger."""

KEPT = Path(__file__).with_name("judged.json")
"""What was said of the shared films by heads that had not learnt from them; written by ``benchmarks.flags.learn``."""

Heads = Mapping[str, np.ndarray]


def look(
    data: Path, half_heads: Mapping[int, Heads], fold_heads: Mapping[int, Heads], log: Callable[[str], None]
) -> list[dict]:
    """For every film: what is true of it, and what is said by heads that know nothing of its half ("half", by half) and
    by heads that know nothing of its fold ("fold", by fold); in other tones as well, and close up where a hand is alone
    on the film; with things composed in where nothing is on that hand."""
    films, rows, half = halves_of(data)
    fold = folds_of(films, rows, half)
    told = truths(Real({f.name: f for f in films}, rows, half, {}))
    cases = []
    for number, film in enumerate(films):
        gray = Film(film.name, film.name, data / film.name).gray
        gray = 255 - gray if told["inverted"][film.name] else gray
        gray = gray[unpadded(gray)]
        close = _close(gray, film)
        seen, negative = _turns(gray), turned(255 - gray, 0)
        tones = {name: _turns(other) for name, other in others(gray).items()}
        worn = _worn(film)
        case = {
            "film": film.name, "study": rows[film.name]["study"], "side": half[film.name],
            "truth": {n: told[f].get(film.name) for n, f in FLAGS.items()},
            "fingers_deg": round(fingers_degrees(film.limbs[0]), 1) if alone(film) else None,
        }  # fmt: skip
        heads = {"half": half_heads[half[film.name]], "fold": fold_heads[fold[film.name]]}
        for kind, weights in heads.items():
            said = [say(weights, s) for s in seen]
            right = float(said[0].whole[0] - say(weights, negative).whole[0]) / 2
            whole = joined(gray.shape, said, right)
            degrees = whole.fingers_deg
            case[kind] = {
                "logits": _logits(whole) | {"inverted": round(right, 3)},
                "fingers_deg": None if degrees is None else round(degrees, 1),
            }
            case[kind]["tones"] = {
                name: _logits(joined(gray.shape, [say(weights, s) for s in other], right), 2)
                for name, other in tones.items()
            }
            if worn:
                case[kind]["composed"] = {
                    what: _logits(joined(gray.shape, [say(weights, s) for s in other], right), 2)[WORN[what][0]]
                    for what, other in worn.items()
                }
            if close:
                case[kind]["close"] = _logits(joined(gray.shape, [say(weights, s) for s in close], 0.0))
        cases.append(case)
        if number % 50 == 0:
            log(f"{number} films judged")
    return cases


def _close(gray: np.ndarray, film: Marked) -> list[Features]:
    """What the heads see of a hand alone on its film, cut out of it."""
    box = close_up(film)
    if box is None:
        return []
    x0, y0, x1, y1 = (round(share * n) for share, n in zip(box, gray.shape[::-1] * 2, strict=True))
    return _turns(gray[y0:y1, x0:x1])


def _worn(film: Marked) -> dict[str, list[Features]]:
    """What the heads see of a hand alone on its film with each of ``WORN`` composed in."""
    if not alone(film) or film.boxes:
        return {}
    source, pictures = Source(film), {}
    for what, (thing, on_finger) in WORN.items():
        rng = np.random.default_rng(zlib.crc32(f"{film.name} {what}".encode()))
        pictures[what] = wearing(source, thing, rng, on_finger)
    return {what: _turns(picture) for what, picture in pictures.items() if picture is not None}


def _turns(gray: np.ndarray) -> list[Features]:
    return [turned(gray, turn) for turn in range(TURNS)]


def _logits(whole: Perception, digits: int = 3) -> dict[str, float]:
    return {n: round(whole.logit(n), digits) for n in FLAGS}


def thresholds(cases: Sequence[dict], kind: str = "fold") -> dict[str, float]:
    """Logit of each statement at which its flag is raised: what ``ALARMS`` of the films without it exceed, as they are,
    in other tones and, where things are asked for, close up."""
    out = {}
    for name in FLAGS:
        no = [c[kind] for c in cases if c["truth"][name] is False]
        said = [s for c in no for s in (c["logits"], *c["tones"].values())]
        said += [c["close"] for c in no if "close" in c and name in THINGS]
        out[name] = round(float(np.quantile([s[name] for s in said], 1 - ALARMS)), 3)
    return out


def _levels(cases: Sequence[dict], half: Mapping[str, float]) -> dict[str, dict[int, Mapping[str, float]]]:
    """Way of judging -> side of a film -> thresholds that it is judged by."""
    others = {side: thresholds([c for c in cases if c["side"] != side], "half") for side in (0, 1)}
    return {"fold": {0: half, 1: half}, "half": others}


def results(cases: Sequence[dict], half: Mapping[str, float]) -> list[Result]:
    """Both ways of judging each flag. "other half": heads and threshold know nothing of the film's half of the studies;
    "left-out fold": heads know nothing of its fold, and ``half`` was set on these very scores."""
    shown = hand_shown()
    levels = _levels(cases, half)
    out = []
    for name, flag in FLAGS.items():
        for kind, where in WHERE.items():
            found = []
            for case in cases:
                truth = case["truth"][name]
                if truth is not None:
                    level = levels[kind][case["side"]][name]
                    said = {"": case[kind]["logits"], CLOSE: case[kind].get("close")}
                    found += [
                        (what, Case(case["film"], case["study"], truth, s[name], s[name] >= level))
                        for what, s in said.items()
                        if s is not None and (not what or (name in THINGS and not truth))
                    ]
            for what in ("", CLOSE):
                picked = [c for w, c in found if w == what]
                if picked:
                    out.append(judge(flag, where + what, picked))
            if flag == "not-a-hand":
                picked = [c for _, c in found if not c.truth or shown[c.film] < 0.5]
                out.append(judge(flag, where + NO_HALF, picked))
    return out


def orientation(cases: Sequence[dict], half: Mapping[str, float]) -> dict[str, Orientation]:
    """Errors of ``fingers_deg``, by way of judging; a direction withheld from a hand is one of 180 degrees."""
    out, levels = {}, _levels(cases, half)
    for kind, where in WHERE.items():
        errors, wrong, silent = [], [], {True: [], False: [], None: []}
        for case in cases:
            over = case[kind]["logits"]["not-a-hand"] - levels[kind][case["side"]]["not-a-hand"]
            silent[case["truth"]["not-a-hand"]].append(bool(sigmoid(over) >= NO_HAND))
            if case["fingers_deg"] is None:
                continue
            said = None if sigmoid(over) >= NO_HAND else case[kind]["fingers_deg"]
            errors.append(180.0 if said is None else abs((said - case["fingers_deg"] + 180) % 360 - 180))
            if errors[-1] > 45:
                wrong.append(case["film"])
        withheld = f"{sum(silent[False])}/{len(silent[False])} hands, {sum(silent[True])}/{len(silent[True])} others"
        out[where] = Orientation(
            len(errors), float(np.median(errors)), float(np.percentile(errors, 90)), wrong, withheld
        )
    return out


def tones(cases: Sequence[dict], half: Mapping[str, float]) -> list[str]:
    """Recall and false alarms of each flag in each of the other tones, a line a tone, by heads that had not seen the
    film's fold."""
    lines = []
    for tone in OTHERS:
        parts = []
        for name, flag in FLAGS.items():
            told = [(c["truth"][name], c["fold"]["tones"][tone][name] >= half[name]) for c in cases]
            found, alarms = ([raised for truth, raised in told if truth is kind] for kind in (True, False))
            parts.append(f"{flag} {sum(found)}/{len(found)}, {sum(alarms)}/{len(alarms)}")
        lines.append(f"{tone:<16} {'; '.join(parts)}")
    return lines


def composed(cases: Sequence[dict], half: Mapping[str, float]) -> str:
    """How many of the things composed into hands alone are found, by heads that had not seen the film's fold."""
    parts = []
    for what, (thing, _) in WORN.items():
        said = [c["fold"]["composed"][what] for c in cases if what in c["fold"].get("composed", ())]
        parts.append(f"{what} {sum(v >= half[thing] for v in said)}/{len(said)}")
    return "composed into hands, left-out fold: " + "; ".join(parts)


def table(cases: Sequence[dict], half: Mapping[str, float]) -> str:
    """All of it, a line a flag and way of judging, with the films missed and the false alarms."""
    lines = [HEADER]
    for r in results(cases, half):
        lines.append(r.row())
        films = {"missed": r.missed, "false alarms": r.false}
        lines += [f"  {kind}: {', '.join(names)}" for kind, names in films.items() if names]
    for where, o in orientation(cases, half).items():
        lines.append(f"fingers_deg      {where:<28} {o.row()}")
    lines += ["other tones, left-out fold: recall, false alarms", *tones(cases, half)]
    lines.append(composed(cases, half))
    for kind, where in WHERE.items():
        told = sum(c[kind]["logits"]["inverted"] < 0 for c in cases)
        lines.append(f"inverted         {where:<28} {told} of {len(cases)} films told from their negatives")
    return "\n".join(lines)


def load() -> tuple[list[dict], dict[str, float]]:
    """What the last training kept: cases and thresholds."""
    stored = json.loads(KEPT.read_text())
    return stored["films"], stored["half"]


def keep(cases: Sequence[dict], half: Mapping[str, float], path: Path = KEPT) -> None:
    """Store cases and thresholds, a film a line."""
    films = ",\n".join(json.dumps(c) for c in cases)
    path.write_text(f'{{"half": {json.dumps(half)}, "films": [\n{films}\n]}}\n')
