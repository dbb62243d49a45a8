"""A page with nothing but the editor, and a store of two dictionaries in a file: for tests in a browser.

The folder in ``LAPEL_HARNESS`` holds the photos and ``store.json``, which the tests read and write.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[3]))

from app.editor import EditorAction, EditorDraft, EditorPhoto, Tightened, box_editor
from app.media import picture_url
from core.errors import StoreBusyError
from core.images.foreground import tighten_box
from core.store.boxes import boxes_from
from core.taxonomy import color_of, load_taxonomy

FOLDER = Path(os.environ["LAPEL_HARNESS"])
PLACE = "editor"


@dataclass(frozen=True)
class Category:
    id: int
    name: str
    color: str


def read() -> dict[str, Any]:
    return json.loads((FOLDER / "store.json").read_text("utf-8"))


def write(store: dict[str, Any]) -> None:
    part = FOLDER / "store.part"
    part.write_text(json.dumps(store), "utf-8")
    part.replace(FOLDER / "store.json")


def save(work: EditorDraft) -> None:
    store = read()
    time.sleep(store.get("slow", 0))
    if store.get("busy"):
        raise StoreBusyError("The database is busy; nothing was changed.")
    if work.sequence > store["drafts"].get(work.key, {}).get("sequence", 0):
        boxes = [box.as_dict() for box in work.boxes]
        store["drafts"][work.key] = {"sequence": work.sequence, "boxes": boxes, "seconds": work.seconds}
    store["saves"] = store.get("saves", 0) + 1
    write(store)


def action(asked: EditorAction) -> None:
    store = read()
    time.sleep(store.get("slow", 0))
    if store.get("busy"):
        raise StoreBusyError("The database is busy; nothing was changed.")
    boxes = [box.as_dict() for box in asked.boxes]
    entry = {
        "name": asked.name,
        "key": asked.key,
        "request": asked.request,
        "boxes": boxes,
        "seconds": asked.seconds,
    }
    store["actions"].append(entry)
    if asked.name in ("submit", "skip"):
        store["at"] = (store["at"] + 1) % len(store["tasks"])
    elif asked.name == "back":
        store["at"] = (store["at"] - 1) % len(store["tasks"])
    elif asked.name == "keys":
        store["keys"] = dict(asked.keys)
    elif asked.name == "options":
        store["options"] = dict(asked.options)
    elif asked.name == "tighten":
        box = next(box.box_xyxy for box in asked.boxes if box.uid == asked.uid)
        image = Image.open(FOLDER / store["tasks"][store["at"]]["file"])
        st.session_state["tightened"] = Tightened(asked.uid, box, tighten_box(image, box))
    write(store)


st.set_page_config(page_title="Editor", layout="wide")
st.button("Beside the editor")
store = read()
task = store["tasks"][store["at"]]
draft = store["drafts"].get(task["key"], {"sequence": 0, "boxes": task["boxes"]})
names = load_taxonomy("street13").categories
categories = [Category(number, name, color_of(name)) for number, name in enumerate(names, 1)]
labels = load_taxonomy("deepfashion50")
parents = {label: names.index(parent) + 1 for label, parent in labels.parents.items() if parent in names}
heat = FOLDER / "heat.png"
photo = EditorPhoto(
    store["at"],
    picture_url((FOLDER / task["file"]).read_bytes(), "image/jpeg", "harness/photo"),
    task["width"],
    task["height"],
    task["file"],
    picture_url(heat.read_bytes(), "image/png", "harness/heat") if heat.exists() else None,
)
box_editor(
    task["key"],
    photo,
    boxes_from(draft["boxes"]),
    categories=categories,
    labels=labels.categories,
    parents=parents,
    keys=store.get("keys", {}),
    predicted_boxes=boxes_from(store.get("predicted_boxes", [])),
    tightened=st.session_state.get("tightened"),
    attributes=store.get("attributes", []),
    options=store.get("options", {}),
    sequence=draft["sequence"],
    readonly=store.get("readonly", False),
    coming=store.get("coming", False),
    without=store.get("without", []),
    on_work=save,
    on_action=action,
)
