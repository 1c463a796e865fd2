"""The competition's layout: ``DCM/IDnnn/*.png`` beside ``outputs_json/IDnnn/*.json``, training and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curate.errors import CarpusError, ImageError, LabelError, UsageError
from curate.formats.base import Item
from curate.sample.image import SUFFIXES


@dataclass(frozen=True)
class Found:
    """One picture of a data set and what belongs to it.

    Attributes:
        id: path below the image folder without the suffix. group: the patient. delivered: ``"train"`` or ``"test"``.
        item, source_digest, format: what another format says of it, the digest of its source, and that format's name.
    """

    id: str
    group: str
    image: Path
    labels: Path | None
    delivered: str
    item: Item | None = None
    source_digest: str | None = None
    format: str | None = None


def find_folders(root: Path) -> tuple[Path | None, Path | None, Path | None]:
    """(training images, labels, test images) of the layout below a folder, each ``None`` when absent."""
    images = next((p for p in (root / "train/DCM", root / "DCM") if p.is_dir()), None)
    labels = next((p for p in (root / "train/outputs_json", root / "outputs_json") if p.is_dir()), None)
    test = root / "test/DCM"
    return images, labels, test if test.is_dir() else None


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _group(relative: Path) -> str:
    """The patient: the picture's folder, or the picture itself where pictures lie in no folder of their own."""
    return relative.parent.as_posix().replace("/", "_") if relative.parent.parts else relative.stem


def find_samples(
    root: Path, images: Path | None = None, labels: Path | None = None
) -> tuple[list[Found], list[CarpusError]]:
    """Every picture with its label file, and an error for each label without a picture.

    Args:
        images, labels: folders, when not in this layout below ``root``.

    Raises:
        UsageError: there is no folder of pictures.
    """
    default_images, default_labels, test = find_folders(root)
    images, labels = images or default_images, labels or default_labels
    if images is None or not images.is_dir():
        raise UsageError(images or root, "has no folder of pictures (DCM/ or train/DCM/, or name one with --images)")
    if labels is not None and not labels.is_dir():
        raise UsageError(labels, "is not a folder")
    faults: list[CarpusError] = []
    texts = {} if labels is None else {p.relative_to(labels).with_suffix(""): p for p in sorted(labels.rglob("*.json"))}
    found: list[Found] = []
    used: dict[str, Path] = {}
    for delivered, folder in (("train", images), ("test", test)):
        if folder is None or (folder == images and delivered == "test"):
            continue
        patients = {f.group for f in found}
        for picture in _pictures(folder):
            relative = picture.relative_to(folder)
            name, group = relative.with_suffix("").as_posix(), _group(relative)
            if name in used:
                faults.append(ImageError(_shown(picture, root), f"has the same name as {_shown(used[name], root)}"))
                continue
            if delivered == "test" and group in patients:
                faults.append(ImageError(_shown(picture, root), f"is a test film of {group}, a training patient"))
                continue
            used[name] = picture
            text = texts.pop(relative.with_suffix(""), None) if delivered == "train" else None
            found.append(Found(name, group, picture, text, delivered))
    for path in texts.values():
        faults.append(LabelError(_shown(path, root), "its picture is missing"))
    return found, faults


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
