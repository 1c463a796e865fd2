"""``augment``: new samples from old, as a new version."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from augment.plan import PLANNERS
from augment.plan.base import Planner
from augment.superres.cli import superres_page
from curate.options import Data, Json, Names, Source, Switch


def _shown(default: object) -> str | None:
    """A default in the help: nothing for what is off or empty."""
    if default is None or default is False or default in ((), ""):
        return None
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


app = App(
    name="augment",
    help="Plan new samples from old ones, make their files, and name the result as a version.",
    # --classes Pisiform Trapezoid
    default_parameter=Parameter(consume_multiple=True, negative_iterable="", show_default=_shown),
)


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
        group: parents of these patients.
        where: parents whose metadata fit, such as age>=40 or side=left.
        from_derived: children may be parents too.
        virtual: plan only; whoever reads a child renders it from its parents.
        workers: processes; any number gives the same bytes.
    """

    seed: int = 0
    source: Source = None
    name: str | None = None
    flag: Names = ()
    without_flag: Names = ()
    group: Names = ()
    where: Names = ()
    from_derived: Switch = False
    virtual: Switch = False
    workers: int = 1
    data: Data = None
    json: Json = False


@Parameter(name="*")
@dataclass(frozen=True)
class Selecting(Common):
    """Options of an operator that is not itself about classes.

    Attributes:
        classes: parents that have all of these classes.
    """

    classes: Names = ()


def _make(planner: Planner, n: int | None, common: Common) -> int:
    from augment.children import Job
    from augment.select import Selection

    classes = common.classes if isinstance(common, Selecting) else ()
    chosen = Selection(common.flag, common.without_flag, classes, common.group, common.where, common.from_derived)
    return _run([Job(planner, n, chosen)], planner.operator, common)


def _run(jobs: Sequence, what: str, common: Common) -> int:
    """Make a version and say what it holds."""
    from augment.make import make
    from curate.manifest import Manifest
    from curate.terminal import counted, print_json, progress, say, warn

    outcome = make(
        Manifest.find(common.data), jobs, common.seed, common.source, common.name, common.virtual, common.workers,
        progress(what if len(jobs) == 1 else "run"), warn,
    )
    version = outcome.version
    if common.json:
        told = ("made", "resumed", "existed", "left", "slivers")
        facts = {k: getattr(outcome, k) for k in told}
        print_json({"version": version.name, "digest": version.digest, "n": len(version), **facts})
        return 0
    if outcome.existed:
        say(f"{version.name} is already this step with this seed; nothing to do (its files: augment rebuild)")
        return 0
    resumed = f", {outcome.resumed} of them finished by an interrupted run" if outcome.resumed else ""
    total = outcome.made + outcome.resumed
    say(f"{version.name}: {counted(total, f'{what} sample')} added to {version.parent}{resumed}; {len(version)} in all")
    if outcome.left or outcome.slivers:
        left = counted(outcome.left, "annotation")
        say(f"left their frame: {left}; dropped as slivers: {counted(outcome.slivers, 'part')}")
    return 0


def _command(kind: type[Planner]) -> Callable[..., int]:
    """A command for one operator; its options are the planner's own fields."""
    shared = Common if any(f.name == "classes" for f in fields(kind)) else Selecting

    once = getattr(kind, "one_each", False)

    def command(*, n: int, options: Planner | None = None, common: Common | None = None) -> int:
        return _make(options or kind(), n, common or shared())

    if once:
        command.__kwdefaults__["n"] = None
    about = (kind.__doc__ or "").split("Attributes:")[0].strip()
    every = "; by default one of each film" if once else ""
    command.__doc__ = f"{about}\n\nArgs:\n    n: samples to make{every}."
    command.__annotations__ = {
        "n": int | None if once else int,
        "options": Annotated[kind | None, Parameter(name="*")],
        "common": shared | None,
        "return": int,
    }
    return command


for _name, _kind in PLANNERS.items():
    app.command(_command(_kind), name=_name)
app.command(superres_page)


@app.command
def run(
    plan: Path,
    /,
    *,
    virtual: Switch = False,
    workers: int = 1,
    data: Data = None,
    json: Json = False,
) -> int:
    """Several operators in one go, from a small YAML plan, as one new version.

    Args:
        plan: see docs/augment.md.
        virtual: plan only, whatever the plan says.
        workers: processes; any number gives the same bytes.
    """
    from augment.runfile import read_plan

    found = read_plan(plan)
    common = Common(
        seed=found.seed, source=found.source, name=found.name, virtual=virtual or found.virtual, workers=workers,
        data=data, json=json,
    )
    return _run(found.jobs, " and ".join(dict.fromkeys(job.planner.operator for job in found.jobs)), common)


@app.command
def replan(
    version: str,
    /,
    *,
    onto: str | None = None,
    workers: int = 1,
    data: Data = None,
    json: Json = False,
) -> int:
    """Plan the augmentations of a version anew on another, such as one with a new split.

    Args:
        version: whose operators, options and seeds are taken.
        onto: version to start from; the newest by default.
        workers: processes.
    """
    from augment.replan import replan as work
    from curate.manifest import Manifest
    from curate.terminal import print_json, progress, say

    outcomes = work(Manifest.find(data), version, onto, workers, progress("replan"))
    if json:
        print_json([{"version": o.version.name, "made": o.made, "existed": o.existed} for o in outcomes])
        return 0
    for outcome in outcomes:
        made = outcome.version
        say(f"{made.name}: {made.step['name']}, {outcome.made} samples on {made.parent}")
    return 0


@app.command
def rebuild(
    version: str,
    /,
    *,
    out: Path | None = None,
    workers: int = 1,
    data: Data = None,
    json: Json = False,
) -> int:
    """Make the files of a version again from its recipes, and say whether they are the same.

    Args:
        version: whose files.
        out: folder for the files of a virtual version, inside the data set.
        workers: processes.
    """
    from augment.rebuild import rebuild as work
    from curate.manifest import Manifest
    from curate.terminal import counted, print_json, progress, say

    result = work(Manifest.find(data).version(version), out, workers, progress("rebuild"))
    differs = bool(result.pixels_differ or result.bytes_differ)
    if json:
        print_json(result.to_dict())
        return int(differs)
    say(f"{version}: {result.present} files were there, {counted(result.made, 'sample')} made again")
    for what, ids in (("were missing", result.missing), ("had other bytes", result.damaged)):
        if ids and out is None:  # into another folder all are made, and none was missed
            say(f"{what}: {', '.join(ids[:8])}{f' and {len(ids) - 8} more (--json)' if len(ids) > 8 else ''}")
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


@app.command
def preview(
    version: str | None = None,
    /,
    *,
    out: Path | None = None,
    each: int = 6,
    width: int = 320,
    operator: Names = (),
    data: Data = None,
    json: Json = False,
) -> int:
    """A contact sheet of a version's samples, by operator, with their polygons drawn: a PNG and a page.

    Args:
        version: by default the newest.
        out: the PNG; the page lies beside it as .html. By default preview/VERSION.png in the data set.
        each: samples of each operator.
        width: of a thumbnail in pixels.
        operator: only these ("original" for the films themselves).
    """
    from augment.preview import write_preview
    from curate.manifest import Manifest
    from curate.terminal import print_json, progress, say

    shows = progress("preview")
    sheet, page, shown = write_preview(Manifest.find(data).version(version), out, each, width, operator, shows)
    if json:
        print_json({"sheet": str(sheet), "page": str(page), "shown": shown})
    else:
        say(f"{sum(map(len, shown.values()))} samples of {len(shown)} kinds: {sheet} and {page}")
    return 0


@app.command
def stats(
    version: str | None = None,
    /,
    *,
    data: Data = None,
    json: Json = False,
) -> int:
    """What augmentation did to a version's labels: per class before and after, and what was dropped.

    Args:
        version: by default the newest.
    """
    from augment.statistics import label_statistics, tables
    from curate.manifest import Manifest
    from curate.terminal import print_json, print_table, progress

    found = label_statistics(Manifest.find(data).version(version), progress("samples"))
    if json:
        print_json(found)
        return 0
    for title, columns, rows in tables(found):
        print_table(title, columns, rows)
    return 0


def main() -> None:
    """Entry point of the console script."""
    from curate.terminal import run as run_app

    sys.exit(run_app(app))
