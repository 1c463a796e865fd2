"""A small YAML plan: several operators in one go.

    from: v1            # optional; the newest version by default
    name: v2            # optional
    seed: 7             # optional
    virtual: true       # optional
    operators:
      - rotate: {n: 100, match: test}
      - crop: {n: 400, region: carpal, size: 512, select: {without-flag: [implant]}}
      - mosaic: {n: 800, same-side: true}
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from augment.children import Job
from augment.plan import PLANNERS
from augment.select import Selection
from curate.errors import UsageError
from curate.yaml import load_yaml

SELECT = {"flag": "flags", "without_flag": "without_flags", "classes": "classes", "group": "groups", "where": "where",
          "from_derived": "from_derived"}
"""What ``select`` may say, in the command line's words, and the field that it means."""


@dataclass(frozen=True)
class Plan:
    """A plan as read: the arguments of ``augment.make.make``."""

    jobs: tuple[Job, ...]
    seed: int = 0
    source: str | None = None
    name: str | None = None
    virtual: bool = False


def read_plan(path: str | os.PathLike) -> Plan:
    """Read a plan.

    Raises:
        UsageError: names the file, the operator and the key that is unknown or has the wrong type.
    """
    data = load_yaml(Path(path), UsageError)
    try:
        return _plan(data)
    except UsageError as error:
        raise UsageError(path, f"{error.path}: {error.detail}" if error.path else error.detail) from None


def _plan(data: Any) -> Plan:
    head = _mapping(data, "plan")
    operators = head.pop("operators", None)
    if not isinstance(operators, list) or not operators:
        raise UsageError("operators", "must be a list of at least one operator")
    types = {"from": str, "name": str, "seed": int, "virtual": bool}
    values = {k: _typed(v, _known(k, types, "plan"), k) for k, v in head.items()}
    jobs = tuple(_job(entry) for entry in operators)
    return Plan(
        jobs, values.get("seed", 0), values.get("from"), values.get("name"), values.get("virtual", False)
    )


def _job(entry: Any) -> Job:
    entry = {entry: {}} if isinstance(entry, str) else entry
    if not isinstance(entry, dict) or len(entry) != 1:
        raise UsageError("operators", "each entry is one operator's name with its options")
    (name, options), = entry.items()
    if name not in PLANNERS:
        raise UsageError(str(name), f"is no operator; there are: {', '.join(PLANNERS)}")
    options = _mapping(options or {}, name)
    n = options.pop("n", None)
    seed = options.pop("seed", None)
    select = _mapping(options.pop("select", {}), f"{name}: select")
    kind = PLANNERS[name]
    types = {f.name: get_type_hints(kind)[f.name] for f in fields(kind)}
    planned = {k: _typed(v, _known(k, types, name), f"{name}: {k}") for k, v in options.items()}
    hints = get_type_hints(Selection)
    chosen = {}
    for k, v in select.items():
        field = SELECT[_known_key(k, SELECT, f"{name}: select")]
        chosen[field] = _typed(v, hints[field], f"{name}: select: {k}")
    return Job(
        kind(**planned),
        None if n is None else _typed(n, int, f"{name}: n"),
        Selection(**chosen),
        None if seed is None else _typed(seed, int, f"{name}: seed"),
    )


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """A mapping with its keys spelled as Python names."""
    if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
        raise UsageError(where, "is not a mapping of options")
    return {k.replace("-", "_"): v for k, v in value.items()}


def _known_key(key: str, known: Mapping[str, Any], where: str) -> str:
    if key not in known:
        raise UsageError(where, f"doesn't know {key!r}; it knows: {', '.join(known)}")
    return key


def _known(key: str, types: Mapping[str, Any], where: str) -> Any:
    return types[_known_key(key, types, where)]


def _typed(value: Any, kind: Any, where: str) -> Any:
    """A value as the option's type: a single word where words are listed, a whole number where a number is."""
    if type(None) in get_args(kind):
        (kind,) = (k for k in get_args(kind) if k is not type(None))
    if get_args(kind) == (str, ...):
        words = [value] if isinstance(value, str) else value
        if isinstance(words, list) and all(isinstance(w, str | int | float) for w in words):
            return tuple(str(w) for w in words)
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    wanted = "a list of words" if get_args(kind) else {"str": "a word", "int": "a whole number", "float": "a number",
                                                       "bool": "true or false"}[kind.__name__]
    raise UsageError(where, f"{value!r} is not {wanted}")
