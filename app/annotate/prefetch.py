"""What is prepared before an annotator needs it: picture URLs, model proposals, and the next photo.

Streamlit drops a picture that the last full run of the page did not ask for, while what fragments ask for in
between stays. One ``PictureUrls`` therefore lives as long as the fragments of its full run.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from contextlib import suppress
from functools import cache

import streamlit as st

from app.annotate.session import AnnotationSession, OpenPhoto, load_photo
from app.components.background import submit
from app.media import picture_url
from core.access import LOCAL
from core.errors import LapelError
from core.inference.predictions import predict
from core.store import Store

PREDICTING = "The models are labeling this photo: their proposals come in a moment."
MAX_REQUESTS = 1000
logger = logging.getLogger(__name__)


class PictureUrls:
    """The URLs that one full run of the page has given out; each picture is read and registered once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._urls: dict[tuple[int, str], str] = {}
        self._layer: tuple[int, bytes, str] | None = None

    def url(self, photo_id: int, place: str = "annotate/photo") -> str:
        """The URL of a photo's JPEG; ``place`` shows this photo from now on, and no other.

        Raises NotFoundError where the photo is gone.
        """
        if (photo_id, place) not in self._urls:
            data = self._store.photos.picture(photo_id)
            self._urls = {key: url for key, url in self._urls.items() if key[1] != place}
            self._urls[photo_id, place] = picture_url(data, "image/jpeg", place)
        return self._urls[photo_id, place]

    def layer(self, photo_id: int, png: bytes) -> str:
        """The URL of a map that lies over the photo."""
        if self._layer is None or self._layer[:2] != (photo_id, png):
            self._layer = photo_id, png, picture_url(png, "image/png", "annotate/map")
        return self._layer[2]


class ProposalJobs:
    """Predictions requested for photos that no worker has labeled yet, shared by this process's sessions."""

    def __init__(self) -> None:
        self._futures: dict[tuple[str, int], Future[bool]] = {}

    def request(self, store: Store, photo_id: int) -> None:
        """Predict a photo in the background, unless it has a prediction or was requested before."""
        key = _key(store, photo_id)
        if key in self._futures or store.predictions.get(photo_id) is not None:
            return
        while len(self._futures) >= MAX_REQUESTS:
            self._futures.pop(next(iter(self._futures)))
        self._futures[key] = submit(predict_photo, store.acting(LOCAL), photo_id)

    def pending(self, store: Store, photo_id: int) -> bool:
        """Whether a prediction was requested and is not there yet."""
        found = self._futures.get(_key(store, photo_id))
        return found is not None and not found.done()


def _key(store: Store, photo_id: int) -> tuple[str, int]:
    return str(store.database.engine.url), photo_id


@cache
def proposal_jobs() -> ProposalJobs:
    """Those of this process."""
    return ProposalJobs()


def predict_photo(store: Store, photo_id: int) -> bool:
    """Predict one photo of the store; False, with a line in the log, where that fails."""
    from app import resources

    try:
        if store.predictions.get(photo_id) is None:  # a worker may have been here meanwhile
            predict(store, resources.labeler_of(store), photo_id)
        return True
    except Exception:
        logger.exception("no boxes for photo %d", photo_id)
        return False


def is_blank(session: AnnotationSession, opened: OpenPhoto) -> bool:
    """Whether the photo waits for proposals: opened without boxes, and nobody has drawn on it since."""
    if opened.is_unaided:
        return False
    return opened.has_lease and not opened.boxes and not opened.base_version and not session.saved_sequence


def load_proposals(store: Store, session: AnnotationSession) -> None:
    """Load the open photo again, with the models' proposals, where it is still blank."""
    opened = session.opened
    if opened is not None and is_blank(session, opened):
        renewed_at = session.renewed_at
        session.open(load_photo(store, session.person, opened.photo.id, opened.task))
        session.renewed_at = renewed_at


def prefetch_next(store: Store, session: AnnotationSession, pictures: PictureUrls) -> None:
    """Load the next photo of the queue into the browser's cache, and request its proposals."""
    if session.opened is None:
        return
    is_new = session.next_photo is None or session.next_photo[0] != session.opened.key
    if is_new:
        session.next_photo = session.opened.key, store.queue.upcoming(session.person)
    photo_id = session.next_photo[1] if session.next_photo else None
    if photo_id is None:
        return
    with suppress(LapelError):  # the photo may be gone by now, and nobody has asked for it
        if is_new:  # once, not at every change that is saved
            proposal_jobs().request(store, photo_id)
        url = pictures.url(photo_id, "annotate/prefetch")
        st.html(
            f'<img src="{url}" alt="" aria-hidden="true" width="1" height="1" '
            'style="position: absolute; opacity: 0">'
        )
