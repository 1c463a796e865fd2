"""``format``: a file that is not what the rest of a set, or a training script, expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from curate.errors import ImageError
from curate.flags.detector import FILE, SetDetector
from curate.flags.film import Film
from curate.flags.result import Finding

ENOUGH = 10
"""Films in a set from which on most of them say what is usual."""

TINY = 256
"""Shorter side, in pixels, under which bones of the wrist cannot be told apart."""


def measure(film: Film) -> dict[str, Any] | None:
    """Facts about the file."""
    try:
        header = film.header
    except ImageError:
        return None
    facts = {
        "format": header.format,
        "mode": header.mode,
        "bits": header.bits,
        "frames": header.frames,
        "size": [header.width, header.height],
        "channels": 1,
        "equal": True,
    }
    if film.fault is None:
        facts.update(channels=film.picture.channels, equal=film.picture.equal)
    return facts


def oddities(m: dict[str, Any]) -> list[str]:
    """What is odd about one file by itself, one phrase each."""
    found = []
    if m["bits"] > 8:
        found.append(f"{m['bits']} bits a channel")
    if m["bits"] < 8:
        found.append(f"only {m['bits']} bit{'s' if m['bits'] > 1 else ''} a pixel")
    if not m["equal"]:
        found.append(f"{m['channels']} channels that differ (a colour picture)")
    if m["mode"] == "CMYK":
        found.append("printing colours (CMYK)")
    if m["frames"] > 1:
        found.append(f"{m['frames']} frames")
    if m["channels"] in (2, 4) and m["mode"] != "CMYK":
        found.append("a transparency channel")
    if min(m["size"]) < TINY:
        found.append(f"only {m['size'][0]} x {m['size'][1]} pixels")
    if max(m["size"]) > 4 * min(m["size"]):
        found.append(f"{m['size'][0]} x {m['size'][1]} pixels, longer than four times its width")
    return found


def judge(films: Sequence[Film], measures: Sequence[dict[str, Any]]) -> list[Finding]:
    """Score 1 for an oddity of the file's own; 0.7 where nine of ten films of the set have another size or format."""
    sizes, formats = Counter(tuple(m["size"]) for m in measures), Counter(m["format"] for m in measures)
    usual = [counts.most_common(1)[0] for counts in (sizes, formats)] if len(measures) >= ENOUGH else []
    findings = []
    for m in measures:
        found = oddities(m)
        score = 1.0 if found else 0.0
        for what, (common, times) in zip((tuple(m["size"]), m["format"]), usual, strict=False):
            if what != common and times >= 0.9 * len(measures):
                kind = "the format" if isinstance(what, str) else "a size of"
                shown = [w if isinstance(w, str) else f"{w[0]} x {w[1]}" for w in (what, common)]
                found.append(f"{kind} {shown[0]} where {times} of {len(measures)} films have {shown[1]}")
                score = max(score, 0.7)
        why = f"The file has {', '.join(found)}." if found else f"An ordinary {m['bits']}-bit {m['format']} file."
        findings.append(Finding(score, why))
    return findings


DETECTOR = SetDetector("format", 1, 0.5, FILE, measure, judge)
