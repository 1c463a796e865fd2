"""``train predict``: from arguments to runs, pictures and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from curate import terminal
from curate.errors import CarpusError, UsageError
from train import accelerator
from train.predict.members import Member
from train.predict.output import write_predictions
from train.predict.predictor import Predictor, find_members, find_pictures, predict_pictures
from train.predict.refine import Refiner
from train.progress import Reporter


@dataclass(frozen=True)
class Look:
    """How pictures are looked at: as in :class:`train.predict.predictor.Predictor`.

    Attributes:
        tuned: take the runs' tuned thresholds. refine: ``REGION`` or ``REGION=RUN``; ``None``: no second look.
    """

    method: str = "soft"
    tta: Sequence[str] = ()
    tuned: bool = False
    size: int = 0
    window: int = 0
    overlap: float = 0.5
    refine: str | None = None


def make_predictor(runs: Sequence[Path], look: Look, on: torch.device) -> Predictor:
    """Load runs and put them together as asked.

    Raises:
        UsageError: a run that cannot be used, or an option that cannot be meant.
    """
    members = find_members(runs, on, look.tuned)
    refiner = None if look.refine is None else _refiner(look, members, on)
    return Predictor(members, on, look.method, look.tta, look.size, look.window, look.overlap, refiner)


def _refiner(look: Look, members: Sequence[Member], on: torch.device) -> Refiner:
    region, _, run = look.refine.partition("=")
    if not run:
        return Refiner(region, members, on, own=True)
    return Refiner(region, find_members([Path(run)], on, look.tuned), on)


def predict_command(paths: Sequence[Path], out: Path, kind: str | None, look: Look, as_json: bool) -> int:
    """``train predict``: exit code 2 when a picture could not be read, though the others were predicted."""
    if len(paths) < 2:
        raise UsageError("predict", "needs RUN... IMAGES: at least one run, and last the pictures")
    *runs, place = paths
    if kind is None:
        if out.suffix.lower() != ".csv":
            raise UsageError("--format", f"{out} is no .csv file: name the format to write there")
        kind = "csv"
    if not place.exists():
        raise UsageError(place, "no such file or folder")
    pictures = find_pictures(place)
    if kind == "csv":
        _check_names(pictures)
    predictor = make_predictor(runs, look, accelerator.device())
    refused: list[CarpusError] = []
    with Reporter().task("predicting", len(pictures)) as task:
        found = predict_pictures(predictor, pictures, refused)
        done = write_predictions(found, predictor.classes, out, kind, place if place.is_dir() else place.parent, task)
    for error in refused:
        terminal.fail(error, as_json)
    refiner = predictor.refiner
    if as_json:
        used = [str(member.path) for member in predictor.members]
        told = {"out": str(out), "format": kind, "n": done, "refused": len(refused), "runs": used}
        if refiner is not None:
            told["refined"] = refiner.done
        terminal.print_json(told)
    else:
        many, runs = len(predictor.members), "run" if len(predictor.members) == 1 else "runs"
        terminal.say(f"{done} picture{'s' if done != 1 else ''} predicted by {many} {runs}: {out}")
        if refiner is not None:
            terminal.say(f"{refiner.region} looked at again on {refiner.done}; not found on {refiner.missed}")
    return 2 if refused else 0


def _check_names(pictures: Sequence[Path]) -> None:
    """The competition's CSV knows pictures by their file names alone: two of one name would be one.

    Raises:
        UsageError: names both.
    """
    seen: dict[str, Path] = {}
    for path in pictures:
        if path.name in seen:
            raise UsageError(path, f"has the file name of {seen[path.name]}, and the CSV holds file names only")
        seen[path.name] = path
