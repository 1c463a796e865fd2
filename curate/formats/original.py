"""Writing the competition's layout, so that its usual loaders read it: there the last polygon of a class wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import orjson

from curate.errors import UsageError
from curate.files import write_atomically
from curate.formats.base import Exported, Holds, Reading


class Competition:
    """``train/DCM/ID/X.png`` and ``train/outputs_json/ID/X.json``; one polygon a class, no holes."""

    name = "competition"
    holds = Holds(parts=False, holes=False, several=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        raise UsageError(root, "the competition's layout is what init reads when no --format is given")

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"{split}/DCM/{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        for sample in samples:
            if not sample.labelled:
                continue
            entries = [
                {"id": f"{k}-{n}", "type": "poly_seg", "attributes": {}, "points": _plain(part.outer), "label": s.label}
                for k, s in enumerate(sample.shapes)
                for n, part in enumerate(s.parts)
            ]
            name = PurePosixPath(sample.image).name
            metadata = {"height": sample.size[1], "width": sample.size[0]}
            document = {
                "annotations": entries, "attributes": {}, "file_id": PurePosixPath(sample.id).name, "filename": name,
                "parent_path": "", "last_modifier_id": "", "metadata": metadata, "last_workers": {},
            }  # fmt: skip
            write_atomically(out / f"{sample.split}/outputs_json/{sample.id}.json", orjson.dumps(document))


def _plain(ring: Sequence[Sequence[float]]) -> list[list[float]]:
    """Points as the competition has them: whole numbers as integers."""
    return [[int(v) if float(v).is_integer() else float(v) for v in p] for p in ring]
