"""The page Data in tests: a store of its own, what is put into it, and what the page shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs import client
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.importing import import_all
from core.store.imports import FOLDERS_VARIABLE
from tests.pictures import jpeg


def open_store(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Store:
    """The store that the page opens; imports are done at once, by the page itself."""
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(FOLDERS_VARIABLE, str(folder))
    monkeypatch.setattr(client, "start_import", import_all)
    return Store.open(folder=folder / "data")


def on(page: AppTest, tab: str) -> AppTest:
    """The page with this tab open."""
    page.query_params["data"] = tab  # the tab that is open is in the address
    page.run()
    assert not page.exception
    return page


def photo(store: Store, shade: int = 0, name: str | None = None, bands: int = 3, **of: object) -> int:
    """A photo in the store that looks like none with another number of bands."""
    from core.images.decode import read_photo

    added = store.photos.add(read_photo(jpeg(bands, shade=shade), name or f"photo {shade}.jpg"), by="Anna")
    assert added.row is not None
    return added.row.id


def annotate(store: Store, photo_id: int, *categories: int, author: str = "Anna") -> None:
    latest = store.annotations.latest(photo_id)
    boxes = [AnnotatedBox((5.0 + n, 5.0, 60.0, 90.0), category) for n, category in enumerate(categories)]
    base = latest.version if latest else 0
    store.annotations.submit(photo_id, boxes, author=author, base_version=base, request=f"{photo_id} {base}")


def gallery(page: AppTest) -> list[str]:
    """The names in the gallery."""
    galleries = [c for c in page.get("bidi_component") if c.proto.component_name == "lapel_tiles"]
    return [tile["name"] for found in galleries for tile in json.loads(found.proto.json)["tiles"]]


def told(page: AppTest) -> str:
    """What the page says of the last action."""
    return "".join(found.value for found in page.success).replace("\\", "")


def button(page: AppTest, label: str):
    (found,) = [button for button in page.button if button.label == label]
    return found
