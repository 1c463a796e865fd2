"""YAML in and out, safely: no tags, no aliases, no duplicate keys, bounded size and depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from curate.errors import CarpusError

MAX_BYTES = 16 << 20
MAX_DEPTH = 32

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _StrictLoader(_Loader):
    """Safe loader that refuses a key given twice."""


def _mapping(loader: yaml.Loader, node: yaml.MappingNode) -> dict:
    seen = set()
    for key, _ in node.value:
        name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
        if name in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is given twice", key.start_mark)
        seen.add(name)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_yaml(path: Path, error: type[CarpusError] = CarpusError) -> Any:
    """Read a YAML file as plain data.

    Raises:
        error: unreadable, too large, too deep, malformed, or using tags, aliases or duplicate keys.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise error(path, f"has more than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise error(path, f"cannot be read: {fault.strerror or fault}") from None
    except UnicodeDecodeError:
        raise error(path, "is not UTF-8 text") from None
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                raise error(path, f"line {event.start_mark.line + 1}: aliases are not used here")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise error(path, f"is nested deeper than {MAX_DEPTH} levels")
            if isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as fault:
        where = getattr(fault, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        raise error(path, f"{line}{getattr(fault, 'problem', None) or fault}") from None
    except ValueError as fault:  # an impossible date or number
        raise error(path, str(fault)) from None


def dump_yaml(data: Any) -> bytes:
    """Plain data as YAML bytes, keys in their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120).encode()
