"""``train tune``, ``train queue`` and ``train batch``: from arguments to what is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from curate import terminal
from curate.errors import UsageError
from curate.manifest.store import Manifest
from train.arms import plan_arms
from train.config import load
from train.progress import Reporter


def tune_command(
    source: str, settings: Sequence[str], versions: Sequence[str], *, fold: int, trials: int, timeout: float,
    storage: Path | None, data: Path | None, runs: Path | None, out: Path | None, as_json: bool,
) -> int:
    """``train tune``."""
    try:
        from train.search.tune import ready, tune
    except ImportError as error:
        raise UsageError("tune", f"needs {error.name}: pip install 'carpus[tune]'") from None
    from train.search.space import read_space

    asked = load(source, settings)
    base, space = ready(asked), read_space(source, asked)
    manifest = Manifest.find(data)
    arms = plan_arms(manifest, versions, fold, base.inner)
    runs = runs or manifest.root / "runs"
    found = tune(
        arms, asked, space, trials=trials, timeout=timeout, storage=storage or runs / "tune.sqlite", runs=runs,
        out=out or runs / "tune", reporter=Reporter(),
    )  # fmt: skip
    same = len({one.trials for one in found}) == 1
    if as_json:
        terminal.print_json({"tuned": [one.to_dict() for one in found], "same_budget": same, "steps": base.steps})
        return 0
    rows = [
        [one.arm.version.name, one.trials, one.pruned, one.failed, one.steps, f"{one.dice:.4f}", str(one.file)]
        for one in found
    ]
    columns = ["version", "trials", "pruned", "failed", "steps in all", "best inner Dice", "configuration"]
    terminal.print_table("", columns, rows)
    knobs = ", ".join(knob.name for knob in space.knobs)
    terminal.say(f"tuned: {knobs}; up to {base.steps} steps a trial, scored on the inner split, never on fold {fold}")
    if len(found) > 1:
        terminal.say(f"budget: {'the same for both' if same else 'NOT the same: run the command again to make it so'}")
    return 0


def queue_command(
    folder: Path, versions: Sequence[str], *, fold: int, seeds: int, settings: Sequence[str], data: Path | None,
    runs: Path | None, as_json: bool,
) -> int:
    """``train queue``: exit code 2 when a configuration failed, though the others were trained."""
    from train.search.queue import find_configs, run_queue

    files = find_configs(folder)
    words = ["--manifest", versions[0], "--fold", str(fold), "--seeds", str(seeds)]
    words += [word for name in versions[1:] for word in ("--against", name)]
    words += [word for setting in settings for word in ("--set", setting)]
    words += [w for name, path in (("--data", data), ("--runs", runs)) if path is not None for w in (name, str(path))]
    done = run_queue(files, words, Reporter().line)
    if as_json:
        terminal.print_json({"configs": [one.to_dict() for one in done]})
    else:
        rows = [
            [one.file.name, "done" if one.ok else "FAILED", _number(one.dice), _number(one.delta, "+"),
             f"{one.seconds:.0f}", one.why]
            for one in done
        ]  # fmt: skip
        terminal.print_table("", ["configuration", "", "mean Dice", "difference", "seconds now", "why"], rows)
    return 0 if all(one.ok for one in done) else 2


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.4f}"


def batch_command(source: str | None, settings: Sequence[str], classes: int, as_json: bool) -> int:
    """``train batch``: the largest batch that fits; exit code 1 where not even one sample does."""
    from train.fit.batch import find_batch
    from train.fit.losses import Loss
    from train.models.zoo import build

    config = load(source, settings)
    names = [str(k) for k in range(classes)]
    network, loss = build(config, classes), Loss(replace(config, class_weights={}), names)
    fits, told = find_batch(network, loss, config, classes)
    if as_json:
        terminal.print_json({"batch": fits, "how": told, "size": config.patch or config.size, "classes": classes})
    else:
        terminal.say(f"batch={fits} fits for {config.patch or config.size} pixels and {classes} classes ({told})")
    return 0 if fits else 1
