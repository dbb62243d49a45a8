"""Runs a named training from files to weights: what ``python -m core train`` calls."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from core.data.labelled import known_only, label_counts, read_labelled
from core.errors import DatasetError
from core.training.classification import ClassifierData, ClassifierTraining, export_classifier
from core.training.fitting import fit
from core.training.recipes import ClassifierRecipe, as_dict


def train_classifier(
    recipe: ClassifierRecipe,
    data: Path,
    val: Path,
    out: Path,
    *,
    pretrained: Path | None = None,
    device: str = "auto",
    resume: bool = False,
    workers: int = 0,
    progress_bar: bool = True,
) -> Path:
    """Train the classifier; labels are those of ``data``, sorted. Returns the best weights' path."""
    train_photos = read_labelled(data)
    labels = tuple(sorted(label_counts(train_photos)))
    val_photos, skipped = known_only(read_labelled(val), labels)
    if not val_photos:
        raise DatasetError(f"expected validation photos with the labels {', '.join(labels)}, got none")
    module = ClassifierTraining(recipe, labels, pretrained)
    loaders = ClassifierData(train_photos, val_photos, labels, recipe, workers)
    if pretrained is not None:
        module.calibrate(loaders.sample())
    facts = {
        "photos": len(train_photos),
        "validation_photos": len(val_photos),
        "validation_skipped": skipped,
        "pretrained": pretrained.name if pretrained else None,
        "commit": current_commit(),
    }
    _write_settings(out, as_dict(recipe) | facts)
    fit(
        module,
        loaders,
        epochs=recipe.epochs,
        out=out,
        monitor="val_top1",
        export=export_classifier(facts),
        ema_decay=recipe.ema_decay,
        seed=recipe.seed,
        device=device,
        resume=resume,
        progress_bar=progress_bar,
    )
    return out / "best.safetensors"


def current_commit() -> str | None:
    """The project's commit, or None outside a checkout."""
    folder = Path(__file__).resolve().parents[2]
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _write_settings(out: Path, settings: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(settings, indent=1) + "\n")
