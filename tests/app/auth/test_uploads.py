"""The quota of uploads: what was asked for, how much, and what a session gives back when it ends."""

from __future__ import annotations

import pytest
from starlette.exceptions import HTTPException
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from app.auth import uploads
from app.auth.upload_limit import VARIABLE, limit_from_environment
from app.auth.uploads import FRAMING_BYTES, UploadQuota
from core.errors import AccessError

LIMIT = 10**6


class Watched:
    """A manager of Streamlit's under a quota; ``open`` are the sessions that go on."""

    def __init__(self) -> None:
        self.quota, self.open = UploadQuota(LIMIT), {"a", "b"}
        self.manager = MemoryUploadedFileManager("/_stcore/upload_file")
        self.quota.watch(self.manager, lambda session: session != "b", lambda session: session in self.open)

    def asked(self, session: str = "a") -> str:
        [info] = self.manager.get_upload_urls(session, ["photo.jpg"])
        return info.file_id

    def add(self, session: str, file: str, size: int) -> None:
        self.manager.add_file(session, UploadedFileRec(file, "photo.jpg", "image/jpeg", bytes(size)))


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_file_is_kept_where_it_was_asked_for_and_nowhere_else(watched):
    file = watched.asked()
    watched.add("a", file, 10)
    assert watched.quota.used("a") == 10
    for session, odd in (("a", "invented"), ("b", file), ("nobody", file)):
        assert not watched.quota.was_asked(session, odd)
        with pytest.raises(HTTPException):
            watched.add(session, odd, 10)
    assert [len(files) for files in watched.manager.file_storage.values()] == [1]


def test_a_session_without_an_uploader_is_given_no_address(watched):
    assert watched.manager.get_upload_urls("b", ["photo.jpg"]) == []


def test_bytes_that_arrive_count_with_those_that_are_kept(watched):
    first, second = watched.asked(), watched.asked()
    watched.add("a", first, LIMIT // 2)
    with watched.quota.arriving("a", second) as count:
        count(LIMIT // 2)
        with pytest.raises(HTTPException) as refused:
            count(FRAMING_BYTES + 1)
        assert refused.value.status_code == 413
    assert watched.quota.used("a") == LIMIT // 2


def test_a_file_that_comes_again_replaces_the_one_before(watched):
    file = watched.asked()
    watched.add("a", file, LIMIT)
    with watched.quota.arriving("a", file) as count:
        count(LIMIT)


def test_what_is_removed_and_a_session_that_ends_give_back_all(watched):
    first, second = watched.asked(), watched.asked()
    watched.add("a", first, 10)
    watched.add("a", second, 20)
    watched.manager.remove_file("a", first)
    assert watched.quota.used("a") == 20
    watched.manager.remove_session_files("a")
    assert watched.quota.used("a") == 0 and not watched.quota.was_asked("a", second)
    assert dict(watched.manager.file_storage) == {}


def test_a_session_that_is_gone_gives_back_all_when_another_asks(watched):
    watched.add("a", watched.asked(), 10)
    watched.open = {"c"}
    watched.asked("c")
    assert watched.quota.used("a") == 0 and "a" not in watched.manager.file_storage


def test_a_file_that_arrives_after_its_session_has_ended_is_not_kept(watched):
    file = watched.asked()
    watched.open = set()
    watched.add("a", file, 10)
    assert "a" not in watched.manager.file_storage and watched.quota.used("a") == 0


def test_only_so_many_files_are_waited_for(watched, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILES", 3)
    first = watched.asked()
    assert len(watched.manager.get_upload_urls("a", ["photo.jpg"] * 5)) == 3
    assert not watched.quota.was_asked("a", first)


def test_the_limit_is_two_gigabytes_or_what_the_environment_says(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert limit_from_environment() == 2 * 2**30
    monkeypatch.setenv(VARIABLE, "100")
    assert limit_from_environment() == 100 * 2**20


@pytest.mark.parametrize("text", ["0", "-1", "much", "1.5", "1e3", "9" * 30, "²"])
def test_a_limit_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(AccessError, match="whole megabytes"):
        limit_from_environment()


def test_files_that_did_not_arrive_are_named_once(watched):
    names = ["here.jpg", "lost.jpg", "large.zip", "removed.jpg"]
    here, lost, large, removed = (info.file_id for info in watched.manager.get_upload_urls("a", names))
    watched.add("a", here, 10)
    with pytest.raises(HTTPException), watched.quota.arriving("a", large) as count:
        count(LIMIT * 2)
    watched.manager.remove_file("a", removed)
    assert not watched.quota.was_asked("a", removed) and watched.quota.was_asked("a", lost)
    found = watched.quota.take_missing("a")
    assert [name for name, _ in found] == ["lost.jpg", "large.zip"]
    assert found[0][1] == uploads.NOT_ARRIVED and found[1][1] == watched.quota.refusal
    assert watched.quota.take_missing("a") == []
    assert watched.quota.used("a") == 10


def test_a_file_that_was_dropped_again_is_not_missing(watched):
    watched.manager.get_upload_urls("a", ["lost.jpg", "again.jpg"])
    again, other = (info.file_id for info in watched.manager.get_upload_urls("a", ["again.jpg", "other.jpg"]))
    watched.add("a", again, 10)
    watched.add("a", other, 10)
    assert [name for name, _ in watched.quota.take_missing("a")] == ["lost.jpg"]
    same, _ = (info.file_id for info in watched.manager.get_upload_urls("a", ["x/1.jpg", "x/1.jpg"]))
    watched.add("a", same, 10)
    assert [name for name, _ in watched.quota.take_missing("a")] == ["x/1.jpg"], "another file of this name"
