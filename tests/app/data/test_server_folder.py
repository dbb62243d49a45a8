"""A folder on the server is found however its name was pasted, and only where imports may read."""

from __future__ import annotations

import pytest

from app.data.imports import server_folder
from core.errors import AccessError, StoreError
from core.store.imports import FOLDERS_VARIABLE


def test_a_folder_on_the_server_is_found_however_it_was_pasted(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    assert server_folder(f' "{tmp_path}" ') == tmp_path.resolve()


@pytest.mark.parametrize("text", ["", "   ", "/no/such/folder", "a\0b", "~nobody-at-all/x", "/etc"])
def test_what_is_no_folder_is_said_in_one_sentence(text):
    with pytest.raises((StoreError, AccessError)):
        server_folder(text)
