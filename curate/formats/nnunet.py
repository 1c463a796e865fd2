"""nnU-Net raw: ``imagesTr/CASE_0000.png``, ``labelsTr/CASE.png``, ``imagesTs/``, ``dataset.json``.

One index a pixel. ``splits_final.json`` gives nnU-Net the folds of the version, so that it trains across no patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from curate.errors import CarpusError, LabelError, UsageError
from curate.files import write_atomically
from curate.formats.base import (
    Exported,
    Holds,
    Item,
    Pictures,
    Reading,
    about_sample,
    label_name,
    read_about,
)
from curate.formats.indexed import index_plane, read_index, shapes_of, write_index
from curate.sample.image import SUFFIXES, read_bytes
from curate.sample.labelfile import load_json

IGNORE = "ignore"
"""nnU-Net's label of pixels that nobody knows; of no class here."""


def case_name(sample: str) -> str:
    """A sample's id as one file name."""
    return sample.replace("/", "__")


class NnUnet:
    """The 2-D PNG variant with one grey channel."""

    name = "nnunet"
    holds = Holds(overlap=False, several=False, vertices=False, grey=True, unlabelled=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        path = root / "dataset.json"
        document = load_json(read_bytes(path), path) if path.is_file() else None
        names = document.get("labels") if isinstance(document, dict) else None
        if not isinstance(names, dict):
            raise UsageError(path, "is not nnU-Net's: it has no labels")
        if names and all(isinstance(v, str) and k.isdigit() for k, v in names.items()):  # nnU-Net 1
            names = {name: int(number) for number, name in names.items()}
        if sorted(v for v in names.values() if isinstance(v, int)) != list(range(len(names))):
            raise UsageError(path, "labels must count 0 (background), 1, 2, ...; regions are not read")
        if document.get("file_ending", ".png") not in SUFFIXES:
            raise UsageError(path, f"its pictures are {str(document['file_ending'])[:20]}; only 2-D pictures are read")
        void = names.pop(IGNORE, None)  # always the last
        ordered = sorted(names, key=names.get)
        reading = Reading(classes=[label_name(n, path) for n in ordered[1:]])
        about = document.get("carpus") if isinstance(document.get("carpus"), dict) else {}
        masks = Pictures(labels or root / "labelsTr")
        for delivered, folder in (("train", images or root / "imagesTr"), ("test", root / "imagesTs")):
            if folder.is_dir():
                self._folder(Pictures(folder), masks, delivered, about, reading, void)
        return reading

    def _folder(
        self, pictures: Pictures, masks: Pictures, delivered: str, about: dict, reading: Reading, void: int | None
    ) -> None:
        for picture in pictures.paths:
            stem = pictures.name(picture)
            if not stem.endswith("_0000"):
                reading.refused.append(LabelError(picture, "is not the one grey channel _0000"))
                continue
            case = stem.removesuffix("_0000")
            path = masks.of(case)
            facts: dict[str, Any] = about.get(case) if isinstance(about.get(case), dict) else {}
            told = {**read_about(facts), "delivered": delivered}
            try:
                shapes = None if path is None else shapes_of(read_index(path), reading.classes, path, void)
                reading.items.append(Item(case, picture, path, shapes, **told))
            except CarpusError as error:
                reading.refused.append(error)

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"images{'Ts' if split == 'test' else 'Tr'}/{case_name(sample)}_0000.png"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        about, folds, originals = {}, {}, set()
        for sample in samples:
            case = case_name(sample.id)
            about[case] = {"id": sample.id, **about_sample(sample)}
            if sample.split != "test":
                folds[case] = sample.fold
                originals |= {case} if sample.original else set()
            if sample.labelled:
                kind = "Ts" if sample.split == "test" else "Tr"
                write_index(out / f"labels{kind}/{case}.png", index_plane(sample, classes))
        document = {
            "channel_names": {"0": "X-ray"},
            "labels": {"background": 0, **{name: k for k, name in enumerate(classes, 1)}},
            "numTraining": len(folds),
            "file_ending": ".png",
            "carpus": about,
        }
        write_atomically(out / "dataset.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))
        splits = [
            {
                "train": sorted(case for case, f in folds.items() if f != fold),
                "val": sorted(case for case, f in folds.items() if f == fold and case in originals),
            }
            for fold in sorted({f for f in folds.values() if f is not None})
        ]
        write_atomically(out / "splits_final.json", orjson.dumps(splits, option=orjson.OPT_INDENT_2))
