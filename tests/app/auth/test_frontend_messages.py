"""The frontend says what is true here, and its script is otherwise the one that Streamlit ships."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient

from app.auth.frontend_messages import MESSAGES, FrontendMessages, with_own_messages

SHIPPED = Path(streamlit.__file__).parent / "static" / "static" / "js"


def test_the_sentences_are_in_the_frontend_that_ships() -> None:
    scripts = [
        path.read_bytes() for name in ("index", "FileUploader") for path in SHIPPED.glob(f"{name}.*.js")
    ]
    for theirs in MESSAGES:
        assert any(theirs in script for script in scripts), f"Streamlit says this no more: {theirs!r}"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_script_is_served_with_our_words(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "static" / "js"
    folder.mkdir(parents=True)
    script = b"a" * 70_000 + b"`" + next(iter(MESSAGES)) + b"`" + b"b" * 70_000
    (folder / "index.AbC-1.js").write_bytes(script)
    (folder / "other.AbC.js").write_bytes(script)
    app = Starlette()
    app.mount("/static", StaticFiles(directory=tmp_path / "static"))
    client = TestClient(FrontendMessages(GZipMiddleware(app)), headers={"accept-encoding": encoding})
    served = client.get("/static/js/index.AbC-1.js")
    assert served.content == with_own_messages(script) != script
    assert int(served.headers["content-length"]) == len(served.content)
    assert client.get("/static/js/other.AbC.js").content == script
    assert client.get("/static/js/index.gone.js").status_code == 404
