"""Versions as people and scripts read them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from curate.flagged import flags_by_sample
from curate.manifest import Manifest, Version
from curate.manifest.splits import fold_label
from curate.manifest.strata import is_turned


def about(step: dict[str, Any]) -> str:
    """A step in a few words: ``mosaic n=800 seed=0 fit=cropped``, ``run seed=7: flip n=5; mosaic n=800``."""
    words = [step["name"]]
    for key, value in step.items():
        if key in ("name", "operator_version", "steps"):
            continue
        for name, item in value.items() if isinstance(value, dict) else [(key, value)]:
            words.append(f"{name}={','.join(map(str, item)) if isinstance(item, list) else item}")
    text = " ".join(words)
    return f"{text}: {'; '.join(map(about, step['steps']))}" if "steps" in step else text


def version_lines(manifest: Manifest) -> list[dict[str, Any]]:
    """One line a version, oldest first."""
    return [
        {"version": v.name, "parent": v.parent, "step": dict(v.step), "about": about(v.step), "digest": v.digest,
         "n": len(v)}
        for v in manifest.versions()
    ]


def version_facts(version: Version) -> dict[str, Any]:
    """What ``curate show --json`` prints: the version and every row, tags and flags together."""
    flags = flags_by_sample(version)
    samples = []
    for row in version.samples:
        facts = row.to_dict()
        facts["tags"] = sorted({*row.tags, *flags.get(row.id, ())})
        samples.append(facts)
    return {
        "version": version.name,
        "parent": version.parent,
        "step": dict(version.step),
        "about": about(version.step),
        "digest": version.digest,
        "split": version.split,
        "split_digest": version.split_digest,
        "folds": version.folds,
        "classes": list(version.classes),
        "refused": list(version.entry.get("refused", ())),
        "samples": samples,
    }


def split_table(version: Version) -> tuple[tuple[str, ...], list[tuple]]:
    """Patients, films, sexes, mean age and turned films of each fold."""
    folds: dict[int, list] = {}
    for row in version.samples:
        if row.is_original:
            folds.setdefault(version.fold_of[row.group], []).append(row)
    lines = []
    for fold, rows in sorted(folds.items(), key=lambda item: (item[0] < 0, item[0])):
        one = {row.group: row for row in rows}.values()
        sexes = Counter(row.meta.get("sex", "?") for row in one)
        ages = [row.meta["age"] for row in one if "age" in row.meta]
        lines.append(
            (
                fold_label(fold),
                len(one),
                len(rows),
                " ".join(f"{k} {v}" for k, v in sorted(sexes.items())),
                f"{sum(ages) / len(ages):.1f}" if ages else "?",
                sum(map(is_turned, rows)),
            )
        )
    return ("fold", "patients", "films", "sex", "mean age", "turned films"), lines
