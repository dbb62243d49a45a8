"""Pictures outlive the run that dropped them by some seconds: another session's run may end in between."""

from __future__ import annotations

from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app.auth.media_owners import file_id
from app.media import KEPT_SECONDS, keep_dropped


def test_a_dropped_picture_can_be_fetched_for_a_while_and_a_download_goes_at_once():
    now = [0.0]
    manager = MediaFileManager(MemoryMediaFileStorage("/media"))
    keep_dropped(manager, lambda: now[0])

    def shown(*pictures: bytes) -> list[str]:
        """The addresses that a run of a page gives, after which another session's run ends."""
        manager.clear_session_refs()
        manager.remove_orphaned_files()
        return [manager.add(data, "image/jpeg", f"place {place}") for place, data in enumerate(pictures)]

    def is_there(address: str) -> bool:
        return manager.read_file(file_id(address)) is not None

    first, second = shown(b"first", b"second")
    shown(b"second")  # while it runs, neither was asked for
    assert is_there(first) and is_there(second)
    now[0] = KEPT_SECONDS + 1
    shown(b"second")
    assert is_there(second) and not is_there(first), "only what was not asked for again has gone"
    file = manager.add(b"rows", "text/csv", "file", file_name="x.csv", is_for_static_download=True)
    manager.clear_session_refs()
    for _ in range(2):  # Streamlit keeps a download for one more run
        manager.remove_orphaned_files()
    assert not is_there(file)
