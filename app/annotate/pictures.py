"""Addresses of stored pictures for one full run of the page, each read and registered once.

Streamlit drops a picture that the last full run of the page did not ask for; what fragments ask for in
between stays. So one ``Pictures`` lives as long as its full run's fragments.
"""

from __future__ import annotations

from app.media import picture_url
from core.store import Store


class Pictures:
    """The addresses that one full run of the page has given out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._urls: dict[tuple[int, str], str] = {}
        self._layer: tuple[int, bytes, str] | None = None

    def url(self, photo_id: int, place: str = "annotate/photo") -> str:
        """The address of a photo's picture; ``place`` shows this photo from now on, and no other.

        Raises NotFoundError where the photo is gone.
        """
        if (photo_id, place) not in self._urls:
            data = self._store.photos.picture(photo_id)
            self._urls = {key: url for key, url in self._urls.items() if key[1] != place}
            self._urls[photo_id, place] = picture_url(data, "image/jpeg", place)
        return self._urls[photo_id, place]

    def layer(self, photo_id: int, png: bytes) -> str:
        """The address of a map that lies over the photo."""
        if self._layer is None or self._layer[:2] != (photo_id, png):
            self._layer = photo_id, png, picture_url(png, "image/png", "annotate/map")
        return self._layer[2]
