"""The films missed and the false alarms as one picture to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

CELL = 240
COLUMNS = 6


def _cell(gray: np.ndarray | None, lines: Sequence[str], box, colour: tuple[int, int, int]) -> np.ndarray:
    cell = np.full((CELL + 34, CELL, 3), 24, np.uint8)
    if gray is not None:
        scale = CELL / max(gray.shape)
        size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        cell[: size[1], : size[0]] = small[..., None]
        if box is not None:
            x0, y0, x1, y1 = (round(v * scale) for v in box)
            cv2.rectangle(cell, (x0, y0), (x1, y1), colour, 1)
    cv2.rectangle(cell, (0, 0), (CELL - 1, CELL - 1), colour, 2)
    for k, text in enumerate(lines):
        cv2.putText(
            cell, text[:38], (3, CELL + 13 + 15 * k), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (235, 235, 235), 1, cv2.LINE_AA
        )
    return cell


def sheet(
    entries: Sequence[tuple[str, str, str, float, object]], read: Callable[[str], np.ndarray | None]
) -> np.ndarray:
    """A contact sheet, uint8 (h, w, 3): (flag, "missed" or "false alarm", film, score, box) each; missed ones
    framed red."""
    cells = []
    for flag, kind, film, score, box in entries:
        colour = (60, 60, 255) if kind == "missed" else (0, 190, 255)
        cells.append(_cell(read(film), (f"{flag}: {kind} {score:.2f}", film.split("/")[-1]), box, colour))
    if not cells:
        return np.full((CELL, CELL, 3), 24, np.uint8)
    while len(cells) % COLUMNS:
        cells.append(np.full_like(cells[0], 24))
    return np.vstack([np.hstack(cells[k : k + COLUMNS]) for k in range(0, len(cells), COLUMNS)])
