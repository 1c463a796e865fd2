"""Synthetic run folders: two arms whose true differences, seed and patient variance are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from train.scores import ScoreRow, write_scores

CARPALS = ("Trapezium", "Trapezoid", "Capitate", "Hamate", "Scaphoid", "Lunate", "Triquetrum", "Pisiform")
HAND = (*(f"finger-{i}" for i in range(1, 20)), *CARPALS, "Radius", "Ulna")


def make_arm(
    folder: Path,
    rng: np.random.Generator,
    *,
    world: int = 1,
    version: str = "v1",
    delta: dict[str, float] | float = 0.0,
    patients: int = 12,
    films: int = 2,
    seeds: int = 3,
    folds: int = 1,
    classes: tuple[str, ...] = HAND,
    seed_sd: float = 0.003,
    residual_sd: float = 0.01,
    absent: float = 0.03,
    config: dict | None = None,
    surface: bool = True,
    pixel_mm: float | None = None,
    **more,
) -> Path:
    """Write one arm and return its folder.

    Args:
        pixel_mm: size of a pixel on every other film, where it is to be known.
        rng: of the trainings. world: of the patients and of which bones are absent: the same in both arms.
        delta: true difference from the world's own level, for all classes or by class.
        more: further fields of ``run.json``.
    """
    frozen = np.random.default_rng(world)
    names = [f"ID{p:03d}/image{p:03d}{f}" for p in range(patients) for f in range(films)]
    level = 0.94 + 0.02 * frozen.normal(size=(patients, len(classes))).repeat(films, axis=0)
    present = frozen.random((patients * films, len(classes))) >= absent
    shift = np.array([delta.get(c, 0.0) if isinstance(delta, dict) else delta for c in classes])
    response = 0.003 * rng.normal(size=(patients, len(classes))).repeat(films, axis=0)
    for seed in range(seeds):
        for fold in range(folds):
            mine = [i for i, name in enumerate(names) if int(name[2:5]) % folds == fold]
            run = folder / f"fold{fold}-seed{seed}"
            run.mkdir(parents=True)
            effect = seed_sd * rng.normal(size=len(classes))
            dice = level + response + shift + effect + residual_sd * rng.normal(size=level.shape)
            rows = []
            for i in mine:
                for k, label in enumerate(classes):
                    value = float(np.clip(dice[i, k], 0, 1)) if present[i, k] else np.nan
                    if not present[i, k] and rng.random() < 0.3:
                        value = 0.0
                    nsd = value**2 if surface else np.nan
                    hd95 = 40 * (1 - value) if surface and present[i, k] else np.nan
                    nsd_mm = nsd / 2 if pixel_mm and i % 2 else np.nan
                    rows.append(ScoreRow(names[i], names[i][:5], label, bool(present[i, k]), value, nsd, hd95, nsd_mm))
            write_scores(run / "scores.csv", rows)
            sized = {"pixel_mm": {names[i]: pixel_mm for i in mine if i % 2}} if pixel_mm else {}
            record = sized | {
                "version": version, "digest": f"sha256:{version}", "seed": seed, "fold": fold,
                "config": config or {"lr": 0.001, "steps": 100}, "classes": list(classes),
                "evaluation": [names[i] for i in mine], "steps": 100, "software": {"torch": "2.13.0"}, **more,
            }  # fmt: skip
            (run / "run.json").write_text(json.dumps(record))
    return folder
