"""Commands of ``train`` that use finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from curate.options import Data, Json, Source

Tta = Annotated[
    tuple[str, ...],
    Parameter(consume_multiple=True, negative=(), help="average over flip, scale, rotate (any of them)"),
]
Tuned = Annotated[bool, Parameter(negative=(), help="use what `train thresholds` found")]


def predict(
    paths: tuple[Path, ...],
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"), help="a .csv file, or a folder for another format")],
    format: Annotated[str | None, Parameter(help="csv, or a format of `curate export`; csv for a .csv file")] = None,
    method: Annotated[str, Parameter(help="how several runs agree: soft, weighted, class-wise or hard")] = "soft",
    tta: Tta = (),
    thresholds: Tuned = False,
    size: Annotated[int, Parameter(help="pixels: the longer side looked at; 0: as in training")] = 0,
    window: Annotated[int, Parameter(help="pixels: side of a sliding window at that size; 0: all at once")] = 0,
    overlap: Annotated[float, Parameter(help="share of a window's side that neighbours have in common")] = 0.5,
    refine: Annotated[str | None, Parameter(help="REGION or REGION=RUN: look again from near, such as carpal")] = None,
    json: Json = False,
) -> int:
    """Predict pictures with one run or several: RUN... IMAGES -o OUT.

    Args:
        paths: run folders, or folders of them; last, a picture or a folder of pictures.
    """
    from train.predict.command import Look, predict_command

    look = Look(method, tta, thresholds, size, window, overlap, refine)
    return predict_command(paths, out, format, look, json)


def ensemble(
    runs: tuple[Path, ...], /, *, data: Data = None, tta: Tta = (), thresholds: Tuned = False, json: Json = False
) -> int:
    """Score the ways in which runs of one fold can be put together, on the films they were evaluated on.

    The films are predicted one after another; predictions are never held all at once. What a film's patient scored
    has no part in the weights, or in the choice by class, with which it is predicted here.

    Args:
        runs: run folders, or folders of them.
    """
    from train.predict.ensemble import ensemble_command

    return ensemble_command(runs, data, tta, thresholds, json)


def thresholds(run: Path, /, *, data: Data = None, json: Json = False) -> int:
    """Find per-class thresholds for a run on its validation films, and what they gain by cross-validation.

    Args:
        run: a run folder; the thresholds are kept in it, and used by `predict --thresholds`.
    """
    from train.commands import thresholds_command

    return thresholds_command(run, data, json)


def evaluate(
    run: Path,
    /,
    *,
    split: Annotated[str, Parameter(help="test: the frozen test films; validation: those of the run, again")] = "test",
    data: Data = None,
    json: Json = False,
) -> int:
    """Score a run on the frozen test films, and record that they were looked at.

    Args:
        run: a run folder.
    """
    from train.commands import evaluate_command

    return evaluate_command(run, split, data, json)


def errors(
    runs: tuple[Path, ...],
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"), help="the page; errors.html in the first run")] = None,
    films: Annotated[int, Parameter(help="films to draw; 0: no pictures")] = 8,
    flag: Annotated[bool, Parameter(help="store films out of line as the flag model-disagrees")] = True,
    false_alarms: Annotated[float, Parameter(help="share of films that would be flagged by chance")] = 0.01,
    data: Data = None,
    json: Json = False,
) -> int:
    """Show where runs go wrong: the worst films and bones as a page; films out of line become flags.

    Only films that a run was not trained on tell anything. Give the runs of all folds at once where there are some: the
    more films, the surer what is out of line.

    Args:
        runs: run folders, or folders of them: seeds and folds of one version.
    """
    from train.errors.command import errors_command

    return errors_command(runs, out, films, flag, false_alarms, data, json)


def pseudo(
    runs: tuple[Path, ...],
    /,
    *,
    source: Source = None,
    confidence: Annotated[float, Parameter(help="least Dice that is expected of each bone of a film")] = 0.9,
    method: Annotated[str, Parameter(help="how several runs agree: soft, weighted or class-wise")] = "soft",
    tta: Tta = (),
    thresholds: Tuned = False,
    name: str | None = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Label unlabelled films with runs that are sure of them: a new version, marked, never evaluated on.

    Only films of patients who are neither in the test set nor in the fold on which the runs were scored. The new
    version can be trained with that fold alone: other patients were seen by the runs.

    Args:
        runs: run folders of one fold, or folders of them.
        source: version whose films to label; the newest by default.
        name: of the new version; the next vN by default.
    """
    from train.predict.pseudo_command import pseudo_command

    return pseudo_command(runs, source, confidence, (method, tta, thresholds), name, data, json)


def export(
    run: Path,
    /,
    *,
    onnx: Annotated[Path, Parameter(help="the file to write")],
    precision: Annotated[str, Parameter(help="fp32, fp16 or int8")] = "fp32",
    data: Data = None,
    json: Json = False,
) -> int:
    """Write a run as an ONNX file, checked against torch on the films it was scored on; kept only where they agree.

    Args:
        run: a run folder.
    """
    from train.onnx_export import export_command

    return export_command(run, onnx, precision, data, json)


COMMANDS = {"predict": predict, "ensemble": ensemble, "thresholds": thresholds, "evaluate": evaluate,
            "errors": errors, "pseudo": pseudo, "export": export}  # fmt: skip
