"""``augment``: new samples from old, as a new version."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from augment.plan import PLANNERS
from augment.plan.base import Planner

app = App(name="augment", help="Plan new samples from old ones, make their files, and name the result as a version.")

Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]
Switch = Annotated[bool, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every operator.

    Attributes:
        seed: the same seed gives the same samples.
        source: version to start from; the newest by default.
        name: of the new version; the next vN by default.
        flag: parents with one of these flags or tags only.
        without_flag: parents with none of these.
        classes: parents that have all of these classes.
        group: parents of these patients.
        where: parents whose metadata fit, such as age>=40 or side=left.
        from_derived: children may be parents too.
        virtual: plan only; whoever reads a child renders it from its parents.
        workers: processes; any number gives the same bytes.
        data: the manifest or its folder; found as git finds its own by default.
        json: print JSON.
    """

    seed: int = 0
    source: Annotated[str | None, Parameter(name="--from")] = None
    name: str | None = None
    flag: Names = ()
    without_flag: Names = ()
    classes: Names = ()
    group: Names = ()
    where: Names = ()
    from_derived: Switch = False
    virtual: Switch = False
    workers: int = 1
    data: Path | None = None
    json: Switch = False


def _make(planner: Planner, n: int, common: Common) -> int:
    from augment.make import make_version
    from augment.select import Selection
    from curate.manifest import Manifest
    from curate.terminal import print_json, progress, say, warn

    outcome = make_version(
        Manifest.find(common.data),
        planner,
        n,
        common.seed,
        Selection(common.flag, common.without_flag, common.classes, common.group, common.where, common.from_derived),
        common.source,
        common.name,
        common.virtual,
        common.workers,
        progress(planner.operator),
    )
    version = outcome.version
    for text in outcome.warnings:
        warn(text)
    if common.json:
        fields = ("made", "resumed", "existed", "left", "slivers")
        facts = {k: getattr(outcome, k) for k in fields}
        print_json({"version": version.name, "digest": version.digest, "n": len(version), **facts})
        return 0
    if outcome.existed:
        say(f"{version.name} is already this step with this seed; nothing to do (its files: augment rebuild)")
        return 0
    resumed = f", {outcome.resumed} of them finished by an interrupted run" if outcome.resumed else ""
    total = outcome.made + outcome.resumed
    say(f"{version.name}: {total} {planner.operator} samples added to {version.parent}{resumed}; {len(version)} in all")
    if outcome.left or outcome.slivers:
        say(f"left their frame: {outcome.left} annotations; dropped as slivers: {outcome.slivers} parts")
    return 0


def _command(kind: type[Planner]) -> Callable[..., int]:
    """A command for one operator; its options are the planner's own fields."""

    def command(*, n: int, options: Planner | None = None, common: Common | None = None) -> int:
        return _make(options or kind(), n, common or Common())

    command.__doc__ = f"{(kind.__doc__ or '').split('Attributes:')[0].strip()}\n\nArgs:\n    n: samples to make."
    command.__annotations__ = {
        "n": int,
        "options": Annotated[kind | None, Parameter(name="*")],
        "common": Common | None,
        "return": int,
    }
    return command


for _name, _kind in PLANNERS.items():
    app.command(_command(_kind), name=_name)


@app.command
def rebuild(
    version: str,
    *,
    out: Path | None = None,
    workers: int = 1,
    data: Path | None = None,
    json: Switch = False,
) -> int:
    """Make the files of a version again from its recipes, and say whether they are the same.

    Args:
        version: whose files.
        out: folder for the files of a virtual version, inside the data set.
        workers: processes.
        data: the manifest or its folder.
        json: print JSON.
    """
    from augment.rebuild import rebuild as work
    from curate.manifest import Manifest
    from curate.terminal import print_json, progress, say

    result = work(Manifest.find(data).version(version), out, workers, progress("rebuild"))
    differs = bool(result.pixels_differ or result.bytes_differ)
    if json:
        print_json(result.to_dict())
        return int(differs)
    say(f"{version}: {result.present} files were there, {result.made} samples made again")
    if result.pixels_differ:
        say(f"other pixels than the manifest names: {len(result.pixels_differ)}, such as {result.pixels_differ[0]}")
    if result.bytes_differ:
        say(f"same pixels in other bytes: {len(result.bytes_differ)}, such as {result.bytes_differ[0]}")
    if differs:
        for library, (then, now) in result.libraries.items():
            say(f"{library} was {then} when the version was made and is {now}")
    elif result.made and out is None:
        say("every byte as the manifest names it")
    return int(differs)


def main() -> None:
    """Entry point of the console script."""
    from curate.terminal import run

    sys.exit(run(app))
