"""CVAT for images 1.1: ``annotations.xml`` beside ``images/``; several parts share a ``group_id``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from curate.errors import CarpusError, LabelError, UsageError
from curate.files import write_atomically
from curate.formats.base import Exported, Holds, Item, Part, Pictures, Reading, Shape, ellipse, label_name, turned
from curate.formats.masks import trace
from curate.formats.xml import load_xml
from curate.sample.image import MAX_PIXELS

GROUP = "carpus-group"
"""Attribute of an image that keeps its patient; other readers pass over it."""
UNLABELLED = "carpus-unlabelled"
"""The same for a film that nobody has labelled yet, which CVAT cannot tell from one that shows nothing."""

_AREAS = ("polygon", "box", "ellipse", "mask")


class Cvat:
    """Polygons, boxes, ellipses (as polygons) and masks; points, lines and solids are left aside."""

    name = "cvat"
    holds = Holds(holes=False)

    def read(self, root: Path, images: Path | None, labels: Path | None) -> Reading:
        reading = Reading()
        files = [labels] if labels and labels.is_file() else sorted((labels or root).glob("*.xml"))
        if not files:
            raise UsageError(labels or root, "holds no CVAT file (annotations.xml)")
        pictures = Pictures(images or (root / "images" if (root / "images").is_dir() else root))
        taken: set[Path] = set()
        for path in files:
            try:
                top = load_xml(path)
            except CarpusError as error:
                reading.refused.append(error)
                continue
            if top.tag != "annotations":
                reading.refused.append(LabelError(path, "is not CVAT for images: no annotations at its top"))
                continue
            if top.find("track") is not None:
                reading.refused.append(LabelError(path, "is CVAT for video: export the task as CVAT for images"))
                continue
            for image in top.iter("image"):
                try:
                    item = self._item(image, path, pictures)
                    if item.image in taken:
                        raise LabelError(path, f"{item.image.name} is given twice")
                    taken.add(item.image)
                    reading.items.append(item)
                except CarpusError as error:
                    name = image.get("name", "")[:80]
                    reading.refused.append(LabelError(error.path, f"{name}: {error.detail}"))
            labels = [e for e in top.iterfind("meta//labels/label") if e.findtext("type") != "tag"]
            declared = [name.strip() for e in labels if (name := e.findtext("name"))]
            used = sorted({s.label for i in reading.items for s in i.shapes or ()})
            reading.classes += [n for n in (*declared, *used) if n not in reading.classes]
            reading.classes = list(dict.fromkeys(reading.classes))
        return reading

    def _item(self, image: ElementTree.Element, path: Path, pictures: Pictures) -> Item:
        picture = pictures.find(image.get("name"), path)
        try:
            size = (int(image.get("width", "")), int(image.get("height", "")))
        except ValueError:
            raise LabelError(path, "has no width or height") from None
        shapes: list[Shape] = []
        groups: dict[tuple[str, str], int] = {}
        tags = []
        for k, element in enumerate(image):
            label = label_name(element.get("label"), path)
            if element.tag == "tag":
                tags.append(label)
                continue
            if element.tag not in _AREAS:
                aside = f"{label}: {element.tag[:40]} is no outline and was left aside"
                shapes.append(Shape(label, (), str(k), aside=aside))
                continue
            parts = self._parts(element, label, size, path)
            group = element.get("group_id", "")
            if group and (label, group) in groups:
                at = groups[label, group]
                shapes[at] = Shape(label, (*shapes[at].parts, *parts), shapes[at].id, shapes[at].attributes)
                continue
            groups[label, group] = len(shapes)
            kept = {"occluded": True} if element.get("occluded") == "1" else {}
            kept |= {a.get("name", ""): a.text or "" for a in element.iterfind("attribute")}
            shapes.append(Shape(label, parts, str(k), kept))
        group = image.get(GROUP) or None
        delivered = "test" if image.get("subset", "").lower() == "test" else "train"
        labelled = None if image.get(UNLABELLED) == "1" and not shapes else tuple(shapes)
        return Item(pictures.name(picture), picture, path, labelled, size, group, delivered, tuple(tags))

    def _parts(self, element: ElementTree.Element, label: str, size: tuple[int, int], path: Path) -> tuple[Part, ...]:
        try:
            if element.tag == "polygon":
                points = [tuple(map(float, p.split(","))) for p in element.get("points", "").split(";") if p.strip()]
                return (Part(points),)
            if element.tag == "box":
                x0, y0, x1, y1 = (float(element.get(k, "")) for k in ("xtl", "ytl", "xbr", "ybr"))
                corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
                degrees = float(element.get("rotation", "0"))
                return (Part(turned(corners, degrees, ((x0 + x1) / 2, (y0 + y1) / 2)) if degrees else corners),)
            if element.tag == "ellipse":
                x, y, rx, ry = (float(element.get(k, "")) for k in ("cx", "cy", "rx", "ry"))
                return (Part(ellipse((x, y), (rx, ry), float(element.get("rotation", "0")))),)
            left, top, width, height = (int(element.get(k, "")) for k in ("left", "top", "width", "height"))
            counts = [int(n) for n in element.get("rle", "").split(",")]
        except ValueError:
            raise LabelError(path, f"{label}: a {element.tag} whose numbers cannot be read") from None
        inside = min(left, top) >= 0 and left + width <= size[0] and top + height <= size[1]
        if not inside or size[0] * size[1] > MAX_PIXELS or min(counts) < 0 or sum(counts) != width * height:
            raise LabelError(path, f"{label}: a mask that does not fit its picture")
        pixels = np.repeat(np.arange(len(counts), dtype=np.uint8) % 2, counts).reshape(height, width).astype(bool)
        whole = np.zeros((size[1], size[0]), bool)
        whole[top : top + height, left : left + width] = pixels
        return trace(whole, path)

    def image_name(self, sample: str, split: str, suffix: str) -> str:
        return f"images/{sample}{suffix}"

    def write(self, out: Path, samples: Iterable[Exported], classes: Sequence[str]) -> None:
        top = ElementTree.Element("annotations")
        ElementTree.SubElement(top, "version").text = "1.1"
        project = ElementTree.SubElement(ElementTree.SubElement(top, "meta"), "project")
        subsets: dict[str, None] = {}
        named: dict[str, None] = {}
        for k, sample in enumerate(samples):
            width, height = map(str, sample.size)
            about = {"id": str(k), "name": sample.image.removeprefix("images/"), "width": width, "height": height}
            about |= {"subset": sample.split, GROUP: sample.group} | ({} if sample.labelled else {UNLABELLED: "1"})
            image = ElementTree.SubElement(top, "image", about)
            subsets[sample.split] = None
            named.update(dict.fromkeys(sample.tags))
            for number, shape in enumerate(sample.shapes, 1):
                grouped = {"group_id": str(number)} if len(shape.parts) > 1 else {}
                occluded = "1" if shape.attributes.get("occluded") is True else "0"
                for part in shape.parts:
                    points = ";".join(f"{x!r},{y!r}" for x, y in part.outer)
                    given = {"label": shape.label, "source": "manual", "occluded": occluded, "points": points}
                    element = ElementTree.SubElement(image, "polygon", {**given, "z_order": "0", **grouped})
                    for name, value in shape.attributes.items():
                        if isinstance(value, str):
                            ElementTree.SubElement(element, "attribute", {"name": name}).text = value
            for tag in sample.tags:
                ElementTree.SubElement(image, "tag", {"label": tag, "source": "manual"})
        _describe(project, list(subsets), classes, [t for t in named if t not in classes])
        ElementTree.indent(top)
        data = ElementTree.tostring(top, encoding="utf-8", xml_declaration=True)
        write_atomically(out / "annotations.xml", data)


def _describe(
    project: ElementTree.Element, subsets: Sequence[str], classes: Sequence[str], tags: Sequence[str]
) -> None:
    """What an export of a project says of itself: readers look for the subsets and the labels here."""
    ElementTree.SubElement(project, "subsets").text = "\n".join(subsets)
    tasks = ElementTree.SubElement(project, "tasks")
    for subset in subsets:
        task = ElementTree.SubElement(tasks, "task")
        for key, text in (("name", subset), ("mode", "annotation"), ("subset", subset)):
            ElementTree.SubElement(task, key).text = text
    labels = ElementTree.SubElement(project, "labels")
    for kind, names in (("polygon", classes), ("tag", tags)):
        for name in names:
            label = ElementTree.SubElement(labels, "label")
            ElementTree.SubElement(label, "name").text = name
            ElementTree.SubElement(label, "type").text = kind
