"""A look at photos that no worker has labelled yet: the one at hand and the next, beside the page."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from functools import cache

from app.annotate.opening import laid_out
from app.annotate.session import Desk, Opened
from core.access import LOCAL
from core.store import Store

LOOKING = "The models are looking at this photo: their boxes come in a moment."
_MOST_REMEMBERED = 1000

logger = logging.getLogger(__name__)


class Sight:
    """Photos that the models were asked to look at, shared by all who annotate in this process."""

    def __init__(self) -> None:
        self._futures: dict[tuple[str, int], Future[bool]] = {}

    def ask(self, store: Store, photo_id: int) -> None:
        """Have the models look at a photo, unless they have, or were asked to before."""
        key = _key(store, photo_id)
        if key in self._futures or store.predictions.get(photo_id) is not None:
            return
        from app.attention import maps

        while len(self._futures) >= _MOST_REMEMBERED:
            self._futures.pop(next(iter(self._futures)))
        self._futures[key] = maps.submit(look, store.acting(LOCAL), photo_id)

    def pending(self, store: Store, photo_id: int) -> bool:
        """Whether the models were asked and are not done yet."""
        found = self._futures.get(_key(store, photo_id))
        return found is not None and not found.done()


def _key(store: Store, photo_id: int) -> tuple[str, int]:
    return str(store.database.engine.url), photo_id


@cache
def sight() -> Sight:
    """The process's."""
    return Sight()


def look(store: Store, photo_id: int) -> bool:
    """Label one photo of the store; False, with a line in the log, where that cannot be done."""
    from app import resources
    from core.inference.predictions import predict

    try:
        if store.predictions.get(photo_id) is None:  # a worker may have been here meanwhile
            predict(store, resources.labeler(), photo_id)
        return True
    except Exception:
        logger.exception("no boxes for photo %d", photo_id)
        return False


def is_blank(desk: Desk, opened: Opened) -> bool:
    """Whether the photo at hand began without anything, and nobody has drawn on it since."""
    return opened.holds and not opened.boxes and not opened.base_version and not desk.saved_sequence


def take_boxes(store: Store, desk: Desk) -> None:
    """Lay the photo at hand out anew, with what the models have found by now, if it is still blank."""
    opened = desk.opened
    if opened is not None and is_blank(desk, opened):
        renewed_at = desk.renewed_at
        desk.lay(laid_out(store, desk.person, opened.photo.id, opened.task))
        desk.renewed_at = renewed_at
