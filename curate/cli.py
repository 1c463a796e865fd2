"""``curate``: what is in the data set, which of it is odd, and which version it was."""

from __future__ import annotations

import sys
from pathlib import Path

from cyclopts import App

from curate import cli_changes, cli_looks, cli_versions
from curate.options import Data, Json, Names, Source, Switch

app = App(name="curate", help="Read a polygon-labelled data set, flag what is odd in it, and name its versions.")

for _name, _command in (cli_versions.COMMANDS | cli_changes.COMMANDS | cli_looks.COMMANDS).items():
    app.command(_command, name=_name)


@app.command
def demo(folder: Path, /, *, n: int = 80, size: int = 1024, seed: int = 0, workers: int = 1) -> int:
    """Write a phantom data set: simulated hand radiographs in the competition's layout, with known truth.

    Args:
        folder: new or empty.
        n: films, two a patient.
        size: edge in pixels.
        seed: the same seed gives the same pixels.
        workers: processes.
    """
    from curate.phantom import write_phantom
    from curate.terminal import counted, progress, say

    write_phantom(folder, n, size, seed, progress=progress("films"), workers=workers)
    of = counted(-(-n // 2), "patient")
    say(f"{counted(n, 'film')} of {of} in {folder}; what was planted is in {folder / 'truth.csv'}")
    return 0


@app.command
def init(
    folder: Path = Path(),
    /,
    *,
    images: Path | None = None,
    labels: Path | None = None,
    meta: Path | None = None,
    classes: Names = (),
    name: str | None = None,
    folds: int | None = None,
    format: str | None = None,
    tag_categories: Names = (),
    group_by: str | None = None,
    workers: int = 1,
    json: Json = False,
) -> int:
    """Read pictures and labels, every file once, and write data_manifest.yaml with version v1.

    Args:
        folder: of the data set; DCM/ and outputs_json/ are looked for in it and in its train/.
        images: folder of pictures, when it is another.
        labels: folder of label files (or the one file), when it is another.
        meta: spreadsheet of the patients, when it is not meta_data.xlsx.
        classes: labels in order; by default the 29 bones of the hand, or what is found.
        name: of the data set; by default its folder's.
        folds: of the first split; by default min(5, patients / 3), at least 2.
        format: competition, coco, labelme, cvat, datumaro, yolo, masks, multimasks, nnunet or geojson.
        tag_categories: categories that say something of the picture, such as Ring: tags rather than classes.
        group_by: a regular expression that finds the patient in a sample's id.
        workers: processes.
    """
    from curate.ingest import few_lines, ingest
    from curate.leaks import twin_lines
    from curate.terminal import counted, print_json, progress, say, warn

    done = ingest(
        folder, images, labels, meta, classes or None, name, folds, workers, progress("films"),
        format, tag_categories, group_by,
    )  # fmt: skip
    version = done.version
    if json:
        refused = [error.to_dict() for error in done.refused]
        facts = {"version": version.name, "digest": version.digest, "n": len(version)}
        twins = [two.to_dict() for two in done.twins]
        print_json({**facts, "refused": refused, "repaired": list(done.repairs), "twins": twins})
    else:
        unlabelled = sum(row.labels is None for row in version.samples)
        without = f", {unlabelled} without labels" if unlabelled else ""
        patients = len({row.group for row in version.samples})
        what = f"{counted(len(version), 'film')} of {counted(patients, 'patient')}{without}"
        say(f"v1: {what}; split {version.split}: {counted(version.folds, 'fold')}")
        if patients == 1:
            warn("with one patient nothing can be compared: no film is left to train on beside the evaluated ones")
        for text in (*twin_lines(done.twins), *few_lines(done.repairs)):
            warn(text)
        for error in done.refused:
            print(f"refused: {error}", file=sys.stderr)
    return 2 if done.refused else 0


@app.command
def versions(*, data: Data = None, json: Json = False) -> int:
    """List the versions, oldest first."""
    from curate.manifest import Manifest
    from curate.summary import version_lines
    from curate.terminal import print_json, print_table

    lines = version_lines(Manifest.find(data))
    if json:
        print_json({"versions": lines})
    else:
        columns = ("version", "parent", "step", "samples", "digest")
        print_table("", columns, ((v["version"], v["parent"], v["about"], v["n"], v["digest"][:19]) for v in lines))
    return 0


@app.command
def show(version: str | None = None, /, *, data: Data = None, json: Json = False) -> int:
    """Show one version: where it comes from and every sample in it.

    Args:
        version: by default the newest.
    """
    from curate.manifest import Manifest
    from curate.summary import version_facts
    from curate.terminal import print_json, print_table, say

    facts = version_facts(Manifest.find(data).version(version))
    if json:
        print_json(facts)
        return 0
    say(f"{facts['version']}  {facts['digest']}")
    say(f"made from {facts['parent'] or 'the original files'} by {facts['about']}; split {facts['split']}")
    for refused in facts["refused"]:
        say(f"refused: {refused['path']}: {refused['detail']}")
    columns = ("id", "group", "fold", "side", "size", "tags", "parents")
    print_table(
        "",
        columns,
        (
            (
                r["id"],
                r["group"],
                "test" if r["fold"] is None else str(r["fold"]),
                r["side"],
                "x".join(map(str, r["size"])),
                " ".join(r["tags"]),
                " ".join(r["parents"]),
            )
            for r in facts["samples"]
        ),
    )
    return 0


@app.command(name="flag-outliers")
def flag_outliers(
    version: str | None = None,
    /,
    *,
    images: Path | None = None,
    detector: Names = (),
    store: Path | None = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Run the detectors over a version's originals, or over any folder of pictures, and store what they say.

    Args:
        version: by default the newest.
        images: a folder of pictures instead; nothing is stored without --store.
        detector: only these detectors.
        store: with --images, a folder to keep what they say, so that an interrupted run resumes.
    """
    from curate.errors import UsageError
    from curate.flagged import flag_folder, flag_version, raised
    from curate.manifest import Manifest
    from curate.terminal import counted, print_json, print_table, progress, say

    show = progress("films")
    if store is not None and images is None:
        raise UsageError("--store", "goes with --images: what is said of a version is stored beside its manifest")
    if images is not None:
        results = flag_folder(images, detector, show, store)
    else:
        results = flag_version(Manifest.find(data).version(version), detector, show)
    if json:
        print_json([result.to_dict() for result in results])
    else:
        rows = raised(results)
        print_table("", ("film", "flag", "score", "why"), rows)
        say(f"{counted(len(rows), 'flag')} on {len({row[0] for row in rows})} of {len(results)} films")
    unread = any(flag.flagged and flag.name in ("unreadable", "truncated") for r in results for flag in r.flags)
    return 2 if unread else 0


@app.command
def drop(
    *,
    flag: Names = (),
    sample: Names = (),
    reviewed: Switch = False,
    also_evaluation: Switch = False,
    source: Source = None,
    name: str | None = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """A version whose training does without some samples, and without the children made from them.

    Args:
        flag: samples that have one of these flags or tags; a flag that was rejected in `curate review` does not count.
        sample: these samples.
        reviewed: only where somebody accepted the flag in `curate review`; the undecided stay, and are counted.
        also_evaluation: out of the evaluation films too; comparisons across this line are refused.
        source: version to start from; the newest by default.
        name: of the new version; the next vN by default.
    """
    from curate.errors import UsageError
    from curate.flagged import flags_named, tally, tally_line
    from curate.manifest import Manifest
    from curate.steps import drop as work
    from curate.terminal import counted, print_json, say

    if not flag and (reviewed or not sample):
        raise UsageError("drop", "needs --flag" if reviewed else "needs --flag or --sample")
    manifest = Manifest.find(data)
    flag = flags_named(manifest.version(source), flag)
    decided = tally(manifest.version(source), flag) if flag else {}
    if reviewed and not json:
        say(tally_line(decided, flag))
    step = work(
        manifest,
        flag_names=flag,
        samples=sample,
        also_evaluation=also_evaluation,
        source=source,
        name=name,
        reviewed=reviewed,
    )
    version = step.version
    if json:
        facts = {"version": version.name, "digest": version.digest, "existed": step.existed, **version.step}
        print_json(facts | {"decisions": decided} if flag else facts)
    elif step.existed:
        say(f"{version.name} is already this step; nothing to do")
    else:
        if decided.get("rejected") and not reviewed:
            say(f"flags rejected in review, which do not count: {decided['rejected']}")
        where = "altogether" if also_evaluation else "from training, kept for evaluation"
        say(f"{version.name}: {counted(version.step['dropped'], 'film')} of {version.parent} dropped {where}")
        if version.step["children"]:
            say(f"and {counted(version.step['children'], 'sample')} made from them")
    return 0


@app.command
def split(
    *,
    folds: int = 5,
    test: float = 0.0,
    seed: int = 0,
    source: Source = None,
    name: str | None = None,
    replan: Switch = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """A new split by patient, stratified by sex, age and rotation where known, and a version that uses it.

    Args:
        folds: at least 2.
        test: share of patients frozen as test.
        seed: of the draw.
        source: version to start from; the newest by default.
        name: of the new version; the next vN by default.
        replan: leave derived samples out, to be planned anew by `augment replan`; without it they are in the way.
    """
    from curate.manifest import Manifest
    from curate.steps import resplit
    from curate.summary import split_table
    from curate.terminal import print_json, print_table, say

    step = resplit(Manifest.find(data), folds, test, seed, source, name, replan)
    columns, rows = split_table(step.version)
    if json:
        folds_of = {g: (None if f < 0 else f) for g, f in sorted(step.version.fold_of.items())}
        facts = {"version": step.version.name, "split": step.version.split, "existed": step.existed}
        print_json({**facts, "groups": folds_of})
        return 0
    say(f"{step.version.name} {'has' if step.existed else 'uses the new'} split {step.version.split}")
    print_table("", columns, rows)
    if replan and not step.existed:
        say(f"now plan the derived samples anew: augment replan {step.version.parent} --onto {step.version.name}")
    return 0


def main() -> None:
    """Entry point of the console script."""
    from curate.terminal import run

    sys.exit(run(app))


if __name__ == "__main__":
    main()
