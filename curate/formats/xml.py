"""XML from strangers: no document types, so no entities and nothing fetched; bounded size and depth."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from curate.errors import LabelError
from curate.sample.image import read_bytes

MAX_BYTES = 256 << 20
MAX_DEPTH = 32


def load_xml(path: Path) -> ElementTree.Element:
    """The root element of a file.

    Raises:
        LabelError: malformed, too large, too deep, or with a document type.
    """
    data = read_bytes(path)
    if len(data) > MAX_BYTES:
        raise LabelError(path, f"has {len(data)} bytes, more than {MAX_BYTES}")
    builder, parser, depth = ElementTree.TreeBuilder(), expat.ParserCreate(), 0

    def refuse(*_: object) -> None:
        raise LabelError(path, "declares a document type, which is not used here")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise LabelError(path, f"is nested deeper than {MAX_DEPTH} levels")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise LabelError(path, f"is not XML: {error}") from None
    return builder.close()
