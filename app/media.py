"""What browser components share: pictures and code by URL instead of in messages, readable text colors."""

from __future__ import annotations

from streamlit import runtime

from core.images.drawing import hex_to_rgb, text_color


def picture_url(data: bytes, mimetype: str, place: str) -> str:
    """The URL that serves these bytes to this session, until ``place`` shows something else.

    The URL holds a digest of the content, so that nobody can guess it who does not have the picture.
    Call it at every run that shows the picture: Streamlit drops what the last full run did not ask for.
    """
    return runtime.get_instance().media_file_mgr.add(data, mimetype, place)


def script_url(code: bytes, place: str) -> str:
    """The URL of an ES module, as for ``picture_url``; the browser caches it under its digest."""
    return runtime.get_instance().media_file_mgr.add(code, "text/javascript", place)


def ink_on(color: str) -> str:
    """The color of readable text on a color, both as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*text_color(hex_to_rgb(color)))
