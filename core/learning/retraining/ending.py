"""What follows a training: its weights become a candidate, which is compared with the champion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import LapelError
from core.learning.retraining.stopping import TrainingStopped
from core.learning.retraining.workplace import Workplace
from core.store import Store

if TYPE_CHECKING:
    from core.store.comparisons import ComparisonRow
    from core.store.models import ModelRow


def _unheard(*_: Any) -> None:
    """Progress that nobody asked for."""


def register(store: Store, training: int, weights: Path) -> ModelRow:
    """Take a training's weights into the store as a candidate; again, it is the same one. WeightsError."""
    row = store.trainings.get(training)
    return store.models.add(weights, parent_id=row.parent_id, revision=row.revision, training_id=training)


def compare(
    store: Store, training: int, candidate: int, progress: Callable[..., Any] = _unheard
) -> ComparisonRow:
    """Measure a candidate beside the champion on the holdout of its training's revision. DatasetError."""
    from core.learning.comparing import compare_models

    row = store.trainings.get(training)
    champion = store.models.champion(row.kind)
    return compare_models(store, candidate, champion.id, row.revision, progress=progress)


def outcome(store: Store, training: int, candidate: int, progress: Callable[..., Any] = _unheard) -> str:
    """Compare, and say in a sentence or two what came out; that it cannot be compared is one as well.

    Raises TrainingStopped where ``progress`` does.
    """
    name = store.models.get(candidate).name
    try:
        verdict = compare(store, training, candidate, progress).verdict
    except TrainingStopped:
        raise
    except LapelError as error:
        told = f"{name} was not compared with the champion: {error}"
    else:
        told = f"{name} {'may take over' if verdict.passes else 'may not take over'}: {verdict.sentence}"
    store.trainings.say(training, told)
    return told


def end(store: Store, training: int, state: str, message: str = "") -> None:
    """Note down how a training ended; what it needed goes, unless it failed and may be gone on with."""
    store.trainings.finish(training, state, message)
    if store.trainings.get(training).state != "failed":
        Workplace.of(store, training).clear()
