"""Pictures and code by URL: a message carries an address of fifty bytes instead of a megabyte."""

from __future__ import annotations

from streamlit import runtime


def picture_url(data: bytes, mimetype: str, place: str) -> str:
    """The address that serves these bytes to this session, until ``place`` shows something else.

    The address holds a digest of the content, so that nobody finds it who does not have the picture already.
    Call it at every run that shows the picture: Streamlit drops what the last full run did not ask for.
    """
    return runtime.get_instance().media_file_mgr.add(data, mimetype, place)


def script_url(code: bytes, place: str) -> str:
    """The address of an ES module, as ``picture_url`` has it; the browser keeps it under its digest."""
    return runtime.get_instance().media_file_mgr.add(code, "text/javascript", place)
