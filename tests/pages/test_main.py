"""The workspace as a whole: its pages, and its refusal to open to strangers."""

from __future__ import annotations

import pytest
import streamlit as st

from tests.pages.workspace import opened, texts


@pytest.mark.parametrize("page", ["preview", "annotate", "data", "attention", "anchors"])
def test_every_page_opens(monkeypatch, tmp_path, page):
    app = opened(monkeypatch, tmp_path)
    app.switch_page(f"../pages/{page}.py").run()
    assert not app.exception
    assert texts(app)


@pytest.mark.parametrize("address", ["0.0.0.0", None])
def test_the_bare_command_on_an_open_address_shows_a_sentence_and_nothing_else(
    monkeypatch, tmp_path, address
):
    told = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: address if name == "server.address" else told(name))
    app = opened(monkeypatch, tmp_path)
    assert not app.exception
    assert [error.value.split(":")[0] for error in app.error] == [
        "Without sign-in the workspace opens on this machine only"
    ]
    assert not app.file_uploader and not app.title
