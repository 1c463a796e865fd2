"""Commands of ``train`` that train many times, or find out what can be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from curate.options import Data, Json

Version = Annotated[str, Parameter(name="--manifest", help="version to train on, such as v3")]
Against = Annotated[str | None, Parameter(name="--against", help="version that gets the same")]
Settings = Annotated[
    tuple[str, ...], Parameter(name="--set", negative=(), help="key=value, after the file; may be given again")
]
Runs = Annotated[Path | None, Parameter(help="folder of all runs; `runs` beside the manifest by default")]


def tune(
    config: str,
    /,
    *,
    manifest: Version,
    against: Against = None,
    trials: Annotated[int, Parameter(help="for each version, those of earlier calls included")] = 20,
    timeout: Annotated[float, Parameter(help="seconds after which no trial begins; 0: none")] = 0.0,
    storage: Annotated[Path | None, Parameter(help="SQLite file; `tune.sqlite` among the runs by default")] = None,
    out: Annotated[Path | None, Parameter(help="folder of the best configurations; among the runs by default")] = None,
    fold: int = 0,
    settings: Settings = (),
    data: Data = None,
    runs: Runs = None,
    json: Json = False,
) -> int:
    """Look for better options of a configuration, with the same effort for each of two versions.

    Trials are scored on an inner split of the training patients, never on the fold that runs are scored on. The file's
    `tune:` section names options and their ranges. The same command goes on where it was interrupted.

    Args:
        config: a YAML file, or the name of a preset.
    """
    from train.search.commands import tune_command

    versions = [manifest] if against is None else [manifest, against]
    return tune_command(
        config, settings, versions, fold=fold, trials=trials, timeout=timeout, storage=storage, data=data, runs=runs,
        out=out, as_json=json,
    )  # fmt: skip


def queue(
    folder: Path,
    /,
    *,
    manifest: Version,
    against: Against = None,
    seeds: int = 3,
    fold: int = 0,
    settings: Settings = (),
    data: Data = None,
    runs: Runs = None,
    json: Json = False,
) -> int:
    """Train every configuration of a folder, one after another; one that fails does not stop the others.

    Finished runs are not repeated and interrupted ones go on: the same command resumes the queue.

    Args:
        folder: of YAML files, trained in the order of their names.
    """
    from train.search.commands import queue_command

    versions = [manifest] if against is None else [manifest, against]
    return queue_command(
        folder, versions, fold=fold, seeds=seeds, settings=settings, data=data, runs=runs, as_json=json
    )


def batch(
    *,
    config: Annotated[str | None, Parameter(name="--config", help="a YAML file, or the name of a preset")] = None,
    settings: Settings = (),
    classes: Annotated[int, Parameter(help="how many bones")] = 29,
    json: Json = False,
) -> int:
    """Find the largest batch that fits this machine: on a GPU by trying, on the CPU by counting what a step keeps."""
    from train.search.commands import batch_command

    return batch_command(config, settings, classes, json)


COMMANDS = {"tune": tune, "queue": queue, "batch": batch}
