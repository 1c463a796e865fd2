"""Every format by name."""

from __future__ import annotations

from curate.errors import UsageError
from curate.formats.base import Format
from curate.formats.coco import Coco
from curate.formats.cvat import Cvat
from curate.formats.datumaro import Datumaro
from curate.formats.geojson import GeoJson
from curate.formats.labelme import LabelMe
from curate.formats.maskfiles import ClassMasks, IndexMasks
from curate.formats.nnunet import NnUnet
from curate.formats.original import Competition
from curate.formats.yolo import Yolo

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Competition(), Coco(), LabelMe(), Cvat(), Datumaro(), Yolo(), IndexMasks(), ClassMasks(), NnUnet(), GeoJson(),
    )
}  # fmt: skip


def format_of(name: str) -> Format:
    """The format of a name; raises ``UsageError`` listing them all."""
    if name not in FORMATS:
        raise UsageError("--format", f"{name!r} is none of {', '.join(FORMATS)}")
    return FORMATS[name]
