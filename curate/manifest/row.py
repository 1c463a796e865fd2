"""One line of a version's table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from curate.sample.recipe import Recipe

EVALUATION_ONLY = "evaluation-only"
"""Tag of a sample that was dropped from training and is still an evaluation film."""
PSEUDO = "pseudo"
"""Tag of a film whose labels a model made: to train on, never to be scored on."""


@dataclass(frozen=True, slots=True)
class SampleRow:
    """What a version says of one sample.

    Attributes:
        id: unique in the manifest.
        image, labels: paths relative to the manifest, ``None`` where there is no file (virtual child, unlabelled film).
        group: the patient; a child's is its ancestors' groups, sorted and joined by "+".
        fold: 0-based, ``None`` for test samples only.
        split: ``"train"`` or ``"test"``.
        side: ``"left"``, ``"right"`` or ``None``. width, height: in pixels.
        tags: sorted. parents: ids of the direct parents; empty for an original.
        recipe: plain data, ``None`` for an original.
        digest: identity: of the original's files, or of the canonical recipe and the parents' digests.
        pixels, file, label_file: digests of the decoded pixels and of the bytes on disk; ``None`` without a file.
        meta: what is known of the patient and the film (age, sex, fingers_deg, ...).
        dropped: what the recipe took away, per class (children only).
    """

    id: str
    image: str | None
    labels: str | None
    group: str
    fold: int | None
    split: str
    side: str | None
    width: int
    height: int
    tags: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    recipe: Mapping[str, Any] | None = None
    digest: str = ""
    pixels: str | None = None
    file: str | None = None
    label_file: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    dropped: Mapping[str, Any] | None = None

    @property
    def is_original(self) -> bool:
        """Whether this sample was read rather than derived."""
        return self.recipe is None

    @property
    def labelled(self) -> bool:
        """Whether this sample has labels: an original with a label file, or a child."""
        return self.labels is not None or self.recipe is not None

    @property
    def evaluable(self) -> bool:
        """Whether runs may be scored on it: an original whose labels no model made."""
        return self.is_original and self.labels is not None and PSEUDO not in self.tags

    def plan(self) -> Recipe:
        """The recipe as an object; raises ``RecipeError`` when it is malformed, ``TypeError`` for an original."""
        if self.recipe is None:
            raise TypeError(f"{self.id} is an original and has no recipe")
        return Recipe.from_dict(self.recipe)

    def to_dict(self) -> dict[str, Any]:
        """The row as ``curate show --json`` prints it."""
        return {
            "id": self.id,
            "image": self.image,
            "labels": self.labels,
            "group": self.group,
            "fold": self.fold,
            "split": self.split,
            "side": self.side,
            "size": [self.width, self.height],
            "tags": list(self.tags),
            "parents": list(self.parents),
            "digest": self.digest,
            "pixels": self.pixels,
            "file": self.file,
            "label_file": self.label_file,
            "meta": dict(self.meta),
            "dropped": self.dropped,
            "recipe": self.recipe,
        }

    def with_tags(self, *tags: str) -> SampleRow:
        """The same row with more tags."""
        return replace(self, tags=tuple(sorted({*self.tags, *tags})))


def original_digest(file: str, label_file: str | None) -> str:
    """Identity of an original: its image's and its labels' bytes."""
    return "sha256:" + hashlib.sha256(f"original\n{file}\n{label_file or ''}".encode()).hexdigest()
