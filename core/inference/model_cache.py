"""A process's cache of the serving models, which follows promotions and falls back to earlier champions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from core.errors import LapelError, StoreError
from core.inference.classifier import Classifier
from core.inference.detector import Detector
from core.inference.joint import JOINT_FILE, JointWeights, read_joint_weights
from core.inference.labeler import Labeler
from core.models.cards import shipped_weights
from core.store import Store
from core.store.models import KINDS, ModelRow, Models
from core.store.predictions import ModelPair
from core.store.promotions import Promotions, succession

RETRY_SECONDS = 60.0
"""After which a champion that could not be loaded is tried again."""

log = logging.getLogger("lapel.serving")


@dataclass(frozen=True, eq=False)
class ServingModels:
    """The labeler that serves now, and the ids of its models in the store.

    An id is None for weights that ship where the store cannot be asked. ``warnings`` are sentences about
    champions that cannot be loaded, and the models that serve instead.
    """

    labeler: Labeler
    detector_id: int | None
    classifier_id: int | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A model in memory, and the id of the champion that it was loaded for."""

    wanted: int | None
    id: int | None
    model: Detector | Classifier
    warning: str = ""


class ModelCache:
    """The serving models of a process: a call takes one query, or seconds to load after a promotion.

    In a store without champions, the weights that ship become them. Where a champion's weights are missing or
    damaged, the one before it serves, down to the weights that ship, with a warning. No rights are checked.
    """

    def __init__(self, store: Store, device: str = "auto") -> None:
        self._models = Models(store.database, store.blobs, store.folder)
        self._promotions = Promotions(store.database, self._models)
        self._device = device
        self._lock = threading.Lock()
        self._loaded: dict[str, _Loaded] = {}
        self._serving: ServingModels | None = None
        self._again_at = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether models are loaded."""
        return self._serving is not None

    def current(self) -> ServingModels:
        """The models that serve now; the loaded ones while the database is away.

        Raises WeightsError where none can be loaded.
        """
        with self._lock:
            wanted = self._wanted()
            if self._serving is None or self._is_stale(wanted):
                self._serving = self._load(wanted)
                self._again_at = time.monotonic() + RETRY_SECONDS
            return self._serving

    def _wanted(self) -> Mapping[str, int]:
        """The champions' ids by kind; the loaded ones' where the database cannot be reached."""
        try:
            champions = self._models.champion_ids()
            if self._serving is None or len(champions) < len(KINDS):
                self._models.register_shipped()  # those of a new store, or of an update of Lapel
                champions = self._models.champion_ids()
            return champions
        except LapelError as error:
            log.warning("The champions are not known: %s", error)
            return {kind: held.wanted for kind, held in self._loaded.items() if held.wanted is not None}

    def _is_stale(self, wanted: Mapping[str, int]) -> bool:
        changed = any(self._loaded[kind].wanted != wanted.get(kind) for kind in KINDS)
        in_need = any(held.warning for held in self._loaded.values())
        return changed or (in_need and time.monotonic() > self._again_at)

    def _load(self, wanted: Mapping[str, int]) -> ServingModels:
        for kind in KINDS:
            held = self._loaded.get(kind)
            if held is None or held.wanted != wanted.get(kind) or held.warning:
                self._loaded[kind] = self._load_kind(kind, wanted.get(kind))
        detector, classifier = self._loaded["detector"], self._loaded["classifier"]
        models = cast(Detector, detector.model), cast(Classifier, classifier.model)
        labeler = Labeler(*models, _joint_weights())
        warnings = tuple(held.warning for held in (detector, classifier) if held.warning)
        return ServingModels(labeler, detector.id, classifier.id, warnings)

    def _load_kind(self, kind: str, wanted: int | None) -> _Loaded:
        """The champion, or the first before it that can be loaded; in the end what ships."""
        trouble = "" if wanted is not None else f"The store does not say which {kind} serves."
        for row in self._line(kind, wanted):
            try:
                model = self._open(kind, row)
            except LapelError as error:
                log.warning("The %s %s cannot be loaded: %s", kind, row.name, error)
                trouble = trouble or f"The {kind} {row.name} cannot serve: {str(error).rstrip('.')}."
                continue
            return _Loaded(wanted, row.id, model, trouble and f"{trouble} {row.name} serves instead.")
        id, shipped = self._open_shipped(kind, wanted)
        return _Loaded(wanted, id, shipped, f"{trouble} {shipped.card.name}, which ships, serves instead.")

    def _open_shipped(self, kind: str, wanted: int | None) -> tuple[int | None, Detector | Classifier]:
        """What ships, as a model of the store where that can be asked, so that predictions have its id."""
        if wanted is not None:
            try:
                row = self._models.shipped(kind)
                return row.id, self._open(kind, row)
            except LapelError as error:
                log.warning("The %s that ships cannot be registered: %s", kind, error)
        return None, self._open(kind, None)

    def _line(self, kind: str, wanted: int | None) -> Iterator[ModelRow]:
        """The champion, those a rollback would bring, then all that ever served."""
        if wanted is None:
            return
        try:
            changes = self._promotions.history(kind)
        except StoreError:
            changes = []
        for id in dict.fromkeys([wanted, *succession(changes), *(change.model_id for change in changes)]):
            try:
                yield self._models.get(id)
            except LapelError as error:
                log.warning("Model %d cannot be looked up: %s", id, error)

    def _open(self, kind: str, row: ModelRow | None) -> Detector | Classifier:
        path = shipped_weights(kind) if row is None else self._models.file_of(row)
        opened = Detector.load if kind == "detector" else Classifier.load
        return opened(path, self._device)


def load_pair(store: Store, models: ModelPair, device: str = "auto") -> Labeler:
    """Two models of the store as they label when they serve. Raises WeightsError or NotFoundError."""
    detector, classifier = (
        store.models.file_of(store.models.get(id)) for id in (models.detector_id, models.classifier_id)
    )
    return Labeler(Detector.load(detector, device), Classifier.load(classifier, device), _joint_weights())


def _joint_weights() -> JointWeights:
    return read_joint_weights(shipped_weights("detector").with_name(JOINT_FILE))
