"""``train`` and ``distill``: from files to weights; what is written is told by its path on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import DatasetError
from core.training.options import TrainingOptions

FEWEST_PHOTOS = 20
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def train(kind: str, options: TrainingOptions) -> None:
    """Train a detector or a classifier; prints the best weights' path."""
    from core.training.recipes import ClassifierRecipe, choose_recipe
    from core.training.run import train_classifier, train_detector

    changes = {"epochs": options.epochs, "seed": options.seed, "batch": options.batch}
    recipe = choose_recipe(kind, options.preset, **changes)
    if isinstance(recipe, ClassifierRecipe):
        print(train_classifier(recipe, options))
    else:
        print(train_detector(recipe, options))


def distill(folders: Sequence[Path], teacher: Path, *, skip: Path | None, **settings: Any) -> None:
    """Pretrain a backbone on photos without labels; prints its path.

    ``skip`` is a text file of photos' names, with or without ending, to leave out. Raises DatasetError for
    fewer than 20 photos, or where ``skip`` cannot be read.
    """
    photos = photos_in(folders, _names_in(skip) if skip else frozenset())
    if len(photos) < FEWEST_PHOTOS:
        raise DatasetError(f"expected at least {FEWEST_PHOTOS} photos to learn from, got {len(photos)}")
    from core.training.run import distill_backbone

    print(distill_backbone(photos, teacher, **settings))


def photos_in(folders: Sequence[Path], left_out: frozenset[str]) -> list[Path]:
    """The folders' photos by their ending, sorted, without those named in ``left_out``."""
    found = (path for folder in folders for path in folder.glob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    return sorted(path for path in found if not {path.name, path.stem} & left_out)


def _names_in(file: Path) -> frozenset[str]:
    try:
        return frozenset(file.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"expected a text file of photos' names at {file}, got: {error}") from error
