"""The command ``train``: parses, calls one function, prints. The deep-learning stack is imported when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from curate import terminal

app = App(
    name="train",
    help="Train segmentation networks on versions of a data set, and say per bone whether the data got better.",
)

Data = Annotated[Path | None, Parameter(name="--data", help="manifest, or its folder; found here or above by default")]
ConfigFile = Annotated[str | None, Parameter(name="--config", help="a YAML file, or the name of a preset")]
Settings = Annotated[
    tuple[str, ...], Parameter(name="--set", negative=(), help="key=value, after the file; may be given again")
]


@app.default
def train(
    *,
    manifest: Annotated[str, Parameter(name="--manifest", help="version to train on, such as v3")],
    against: Annotated[str | None, Parameter(name="--against", help="version to compare it with")] = None,
    seeds: int = 3,
    fold: int = 0,
    config: ConfigFile = None,
    settings: Settings = (),
    data: Data = None,
    runs: Annotated[Path | None, Parameter(help="folder of all runs; `runs` beside the manifest by default")] = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Train on a version; with --against, on both, and report per bone what the difference in data did.

    Both arms get the same configuration, seeds and number of optimiser steps, and are scored on the same untouched
    films, by the split of the version named first. A finished run is not repeated; an interrupted one goes on.
    """
    from curate.manifest.store import Manifest
    from train.config import load

    effective = load(config, settings)
    opened = Manifest.find(data)
    versions = [manifest] if against is None else [manifest, against]
    from train.experiment import run_experiment
    from train.summary import finish

    experiment = run_experiment(opened, versions, effective, fold=fold, seeds=seeds, runs=runs)
    return finish(experiment, as_json=json)


@app.command
def diff(
    a: Path,
    b: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="folder of the report; beside B by default")] = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Compare two arms per bone: A the reference, B what is held against it.

    Args:
        a: a run folder, or a folder of run folders: the seeds and folds of one arm.
        b: the same.
    """
    from train.summary import report

    return report(a, b, out or b.resolve().parent / f"{b.resolve().name}-against-{a.resolve().name}", json)


@app.command(name="config")
def show_config(*, config: ConfigFile = None, settings: Settings = (), presets: bool = False) -> None:
    """Print the effective configuration, each option with what it means; or the names of the presets."""
    from train.config import load, preset_names

    if presets:
        terminal.say("\n".join(preset_names()))
        return
    terminal.say(load(config, settings).to_yaml(explain=True).rstrip())


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script; returns the exit code."""
    return terminal.run(app, arguments)
