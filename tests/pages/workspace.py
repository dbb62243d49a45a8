"""The workspace as AppTest runs it, with stand-ins for the models."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import resources
from app.attention import maps
from app.auth.identity import ACTORS
from app.preview import upload
from app.preview.session import KEY, PreviewSession
from core.files import DATA_VARIABLE
from core.store import Store
from tests.fakes import FakeLabeler, fake_explain

ROOT = Path(__file__).parents[2]
SECONDS = 120


def fresh_store(monkeypatch: pytest.MonkeyPatch, data: Path) -> Store:
    """The store that the pages open in ``data``, whatever the environment and the caches had before."""
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL", "LAPEL_ADMINS", "LAPEL_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(DATA_VARIABLE, str(data))
    ACTORS.forget()
    st.cache_resource.clear()
    return Store.open(folder=data)


def opened(monkeypatch: pytest.MonkeyPatch, data: Path, labeler: FakeLabeler | None = None) -> AppTest:
    """The workspace on its first page; its labeler is a stand-in, its data lie in ``data``."""
    return unopened(monkeypatch, data, labeler).run()


def unopened(monkeypatch: pytest.MonkeyPatch, data: Path, labeler: FakeLabeler | None = None) -> AppTest:
    """The same before its first run, which may be on another page."""
    fake = labeler or FakeLabeler()
    monkeypatch.chdir(ROOT)  # where the settings are
    monkeypatch.setenv(DATA_VARIABLE, str(data))
    monkeypatch.setattr(resources, "labeler", lambda: fake)
    monkeypatch.setattr(maps, "explain", fake_explain)
    upload.labeled_sample.clear()
    return AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=SECONDS)


def workspace_of(app: AppTest) -> PreviewSession:
    """What the person at this page has in hand."""
    found: PreviewSession = app.session_state[KEY]
    return found


def dropped(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """The page after these files were dropped and labeled."""
    for name, data in files:
        app.file_uploader[0].upload(name, data)
    app.run()
    batch = workspace_of(app).batch
    assert batch is not None
    assert not batch.wait(lambda now: not now.running, SECONDS).running
    return app.run()


def texts(app: AppTest) -> str:
    """All that is written on the page, a piece a line."""
    pieces = (*app.title, *app.markdown, *app.caption, *app.text, *app.info, *app.warning, *app.error)
    return "\n".join(str(piece.value) for piece in pieces)
