"""Whose pictures are whose: noted down as they are handed out, forgotten with the files."""

from __future__ import annotations

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from app.auth import media_owners
from app.auth.media_owners import MediaOwners, file_id


class Desk:
    """Owners over a real manager; ``person`` is whoever's page runs."""

    def __init__(self) -> None:
        self.owners, self.person = MediaOwners(), "anna"
        self.manager = MediaFileManager(MemoryMediaFileStorage("/media"))
        self.owners.watch(self.manager, lambda: self.person)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_picture_is_theirs_to_whom_it_was_given(desk):
    address = desk.manager.add(b"a picture", "image/jpeg", "a place")
    assert desk.owners.may_have(address, "anna") and not desk.owners.may_have(address, "bo")
    desk.person = "bo"
    assert desk.manager.add(b"a picture", "image/jpeg", "elsewhere") == address
    assert desk.owners.may_have(address, "anna") and desk.owners.may_have(address, "bo")


def test_a_download_made_on_demand_is_theirs_who_were_promised_it(desk):
    placeholder = desk.manager.add_deferred(lambda: b"rows", "text/csv", "a place", file_name="x.csv")
    desk.person = None  # it is made outside of any page's run
    address = desk.manager.execute_deferred(placeholder)
    assert desk.owners.may_have(address, "anna") and not desk.owners.may_have(address, "bo")


def test_what_was_given_to_nobody_is_nobodys(desk):
    desk.person = None
    address = desk.manager.add(b"a picture", "image/jpeg", "a place")
    assert not desk.owners.may_have(address, "anna") and not desk.owners.may_have(address, "")
    assert not desk.owners.may_have("/media/0123.jpg", "anna")


def test_files_that_are_gone_are_forgotten(monkeypatch):
    monkeypatch.setattr(media_owners, "MIN_PRUNED", 4)
    desk = Desk()
    addresses = [desk.manager.add(bytes([n]), "image/jpeg", "one place") for n in range(3)]
    desk.manager.remove_orphaned_files()  # the last one is shown still
    addresses.append(desk.manager.add(b"more", "image/jpeg", "another place"))
    assert [desk.owners.may_have(address, "anna") for address in addresses] == [False, False, True, True]


def test_an_address_names_its_file():
    assert file_id("/media/0a1b.jpg") == "0a1b" == file_id("/base/media/0a1b")
