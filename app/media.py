"""What browser components share: pictures and code by URL instead of in messages, readable text colors."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileKind, MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from core.images.drawing import hex_to_rgb, text_color

KEPT_SECONDS = 30.0
"""How long a picture can be fetched after no page asks for it any more."""


def picture_url(data: bytes, mimetype: str, place: str) -> str:
    """The URL that serves these bytes to this session, until ``place`` shows something else.

    The URL holds a digest of the content, so that nobody can guess it who does not have the picture.
    Call it at every run that shows the picture: Streamlit drops what the last full run did not ask for.
    """
    return runtime.get_instance().media_file_mgr.add(data, mimetype, place)


def script_url(code: bytes, place: str) -> str:
    """The URL of an ES module, as for ``picture_url``; the browser caches it under its digest."""
    return runtime.get_instance().media_file_mgr.add(code, "text/javascript", place)


def keep_dropped(manager: MediaFileManager, clock: Callable[[], float] = time.monotonic) -> None:
    """Have Streamlit keep pictures and code for ``KEPT_SECONDS`` after they were dropped.

    Streamlit forgets a session's files when a run begins, and the end of any other session's run then removes
    what this one has not asked for again: a browser that fetches a picture at that moment would be told that
    there is none, and go on without it. Streamlit has no setting for it, so the storage's methods are
    wrapped; the manager calls them under its lock. Downloads go at once, as they may be large.
    """
    storage = manager._storage
    if not isinstance(storage, MemoryMediaFileStorage):
        return
    load, delete = storage.load_and_get_id, storage.delete_file
    dropped: dict[str, float] = {}  # the oldest first

    def kept_load(*args: object, **kwargs: object) -> str:
        id: str = load(*args, **kwargs)  # type: ignore[arg-type]
        dropped.pop(id, None)
        return id

    def late_delete(id: str) -> None:
        now = clock()
        try:
            is_picture = storage.get_file(id).kind == MediaFileKind.MEDIA
        except MediaFileStorageError:
            return
        dropped.pop(id, None)
        if is_picture:
            dropped[id] = now
        else:
            delete(id)
        while dropped and next(iter(dropped.values())) <= now - KEPT_SECONDS:
            oldest = next(iter(dropped))
            del dropped[oldest]
            delete(oldest)

    for name, method in (("load_and_get_id", kept_load), ("delete_file", late_delete)):
        setattr(storage, name, method)


def ink_on(color: str) -> str:
    """The color of readable text on a color, both as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*text_color(hex_to_rgb(color)))
