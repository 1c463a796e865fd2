"""The command ``train``: parses, calls one function, prints. The deep-learning stack is imported when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from curate import terminal
from train import cli_runs, cli_search

app = App(
    name="train",
    help="Train segmentation networks on versions of a data set, and say per bone whether the data got better.",
)
for _name, _command in (cli_runs.COMMANDS | cli_search.COMMANDS).items():
    app.command(_command, name=_name)

Data = Annotated[Path | None, Parameter(name="--data", help="manifest, or its folder; found here or above by default")]
ConfigFile = Annotated[str | None, Parameter(name="--config", help="a YAML file, or the name of a preset")]
Settings = Annotated[
    tuple[str, ...],
    Parameter(name="--set", negative=(), consume_multiple=True, help="key=value, one or several, after the file"),
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
    from train.arms import plan_arms
    from train.config import load

    effective = load(config, settings)
    versions = [manifest] if against is None else [manifest, against]
    arms = plan_arms(Manifest.find(data), versions, fold, effective.inner)
    from train.experiment import run_experiment  # torch from here on: what could be refused has been
    from train.fit.ranks import leads
    from train.progress import Reporter
    from train.summary import finish

    found = run_experiment(arms, effective, seeds=seeds, runs=runs, reporter=Reporter(quiet=not leads(effective)))
    return finish(found, as_json=json) if leads(effective) else 0


@app.command
def diff(
    arms: tuple[Path, ...],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="folder of the report; beside the last arm by default")] = None,
    margin: Annotated[float, Parameter(help="difference in Dice that is not worth having")] = 0.01,
    reader: Annotated[Path | None, Parameter(help="a second reading of the same films, as a ceiling")] = None,
    check: Annotated[tuple[str, ...], Parameter(negative=(), help="a claim such as Pisiform>=+0.01")] = (),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Compare arms per bone: A B, or A B C D to rank several against A. Exit code 1 when a claim is not shown.

    Args:
        arms: each a run folder, or a folder of run folders: the seeds and folds of one arm. The first is the
            reference; differences are what the others have more.
    """
    from train.compare.command import diff_command

    return diff_command(arms, out, margin=margin, reader=reader, claims=check, as_json=json)


@app.command
def power(
    arms: tuple[Path, ...],
    /,
    *,
    difference: Annotated[float, Parameter(help="difference in Dice that should be shown")] = 0.01,
    bone: Annotated[tuple[str, ...], Parameter(negative=(), help="a bone, a group or overall, looked at closely")] = (),
    patients: Annotated[tuple[int, ...], Parameter(negative=(), help="evaluation patients; may be given again")] = (),
    seeds: Annotated[tuple[int, ...], Parameter(negative=(), help="an arm; may be given again")] = (2, 3, 5, 8, 12),
    power: Annotated[float, Parameter(help="the chance to show it")] = 0.8,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Plan an experiment from past runs: how many patients and seeds show a given difference.

    Args:
        arms: one arm or two, as in `train diff`: their seeds and patients tell how much scores vary. Without
            --patients, from half to eight times those of the runs are looked at.
    """
    from train.compare.command import power_command

    return power_command(
        arms, bones=bone, difference=difference, patients=patients, seeds=seeds, power=power, as_json=json
    )


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
