"""Pictures by URL: the page sends an address of fifty bytes where a message would carry a megabyte."""

from __future__ import annotations

from streamlit import runtime


def picture_url(data: bytes, mimetype: str, place: str) -> str:
    """The address that serves these bytes to this session, until ``place`` shows something else.

    The address holds a digest of the content, so that nobody finds it who does not have the picture already.
    Call it at every run that shows the picture: Streamlit drops what the last full run did not ask for.
    """
    return runtime.get_instance().media_file_mgr.add(data, mimetype, place)
