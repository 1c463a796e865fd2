"""Options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Data = Annotated[Path | None, Parameter(help="the manifest or its folder; found as git finds its own by default.")]
Json = Annotated[bool, Parameter(negative="", help="print JSON.")]
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]
Switch = Annotated[bool, Parameter(negative="")]
Source = Annotated[str | None, Parameter(name="--from")]
