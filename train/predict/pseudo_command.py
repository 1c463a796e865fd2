"""``train pseudo``: from arguments to a version, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from curate import terminal
from curate.errors import UsageError
from curate.manifest import Manifest, SampleRow
from train import accelerator
from train.predict.predictor import Predictor, find_members
from train.predict.pseudo import Labelled, label
from train.progress import Reporter


def pseudo_command(
    runs: Sequence[Path], source: str | None, confidence: float, look: tuple[str, Sequence[str], bool],
    name: str | None, data: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Label, name the version, and say what it holds and what the judgement was worth on films with known truth.

    Args:
        look: method, test-time augmentation, whether tuned thresholds are taken.
    """
    method, tta, tuned = look
    if method == "hard":
        raise UsageError("--method", "votes do not say how sure they are: soft, weighted or class-wise")
    manifest = Manifest.find(data)
    members = find_members(runs, accelerator.device(), tuned)
    predictor = Predictor(members, accelerator.device(), method, tta)
    made = label(manifest, predictor, source=source, confidence=confidence, name=name, progress=_shown)
    if as_json:
        terminal.print_json(_plain(made))
        return 0
    version = made.version
    if made.existed:
        terminal.say(f"{version.name} is already this step; nothing to do")
        return 0
    step = version.step
    terminal.say(f"{version.name}: {step['films']} of {step['films'] + step['left']} unlabelled films labelled")
    if step["children"]:
        terminal.say(f"{step['children']} samples made from them before left the version")
    check = made.check
    if check is not None and check.n:
        known = [(check.passed, check.dice_passed, "trusted"), (check.n - check.passed, check.dice_failed, "not")]
        told = ", ".join(f"{n} {what} (mean Dice {dice:.3f})" for n, dice, what in known if n)
        terminal.say(f"the same judgement on films with known truth: {told}")
    terminal.say(f"train it with --fold {step['fold']}: the runs have seen the other patients")
    return 0


def _shown(rows: Sequence[SampleRow]) -> Iterator[SampleRow]:
    with Reporter().task("labelling", len(rows)) as task:
        for done, row in enumerate(rows, 1):
            yield row
            task(done)


def _plain(made: Labelled) -> dict:
    """The result as plain data."""
    check = made.check
    told = None if check is None else {
        "n": check.n, "passed": check.passed, "dice_passed": _number(check.dice_passed),
        "dice_failed": _number(check.dice_failed),
    }  # fmt: skip
    films = [
        {"image": g.row.id, "confidence": g.confidence, "bone": g.bone, "taken": g in made.taken}
        for g in (*made.taken, *made.left)
    ]
    version = made.version
    about = {"version": version.name, "digest": version.digest, "existed": made.existed, **version.step}
    return about | {"check": told, "images": films}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
