"""The pages with the right that each takes, the menu of those that a user may open, and links to them.

Paths are as seen from main.py in this folder.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import streamlit as st

from app.resources import freeze_garbage_collector
from core.access import Actor, Right
from core.threads import IMPORTS

ANNOTATE = "../pages/annotate.py"
DATA = "../pages/data.py"
TRAIN = "../pages/train.py"
MODELS = "../pages/models.py"
HERE = Path(__file__).resolve().parent
YIELD_SECONDS = 0.01
"""Long enough for a thread that waits for the lock to get it."""


@dataclass(frozen=True)
class Entry:
    """A page's file, seen from main.py in this folder, and its entry in the menu.

    ``modules`` are those of the app that the file imports, beside main.py's. ``url_path`` is the page's
    address where links of old ask for another than the file's name.
    """

    path: str
    title: str
    icon: str
    help: str
    right: Right
    modules: tuple[str, ...]
    url_path: str | None = None


ENTRIES = (
    Entry(
        "../pages/preview.py",
        "Label photos",
        ":material/checkroom:",
        "Label clothing photos: boxes, labels and attention maps; correct them, download the results.",
        Right.PREVIEW,
        (
            "app.preview.batch_view",
            "app.preview.download",
            "app.preview.photo",
            "app.preview.save_to_store",
            "app.preview.session",
            "app.preview.shop",
            "app.preview.upload",
        ),
    ),
    Entry(
        ANNOTATE,
        "Annotate",
        ":material/edit_square:",
        "Correct the proposals for the next photo of the queue, and submit.",
        Right.ANNOTATE,
        (
            "app.annotate.page",
            "app.annotate.save",
            "app.annotate.session",
        ),
    ),
    Entry(
        DATA,
        "Data",
        ":material/photo_library:",
        "Stored photos, imports, categories, progress and revisions.",
        Right.READ,
        (
            "app.data.categories",
            "app.data.embedding_map",
            "app.data.imports",
            "app.data.jobs",
            "app.data.photos",
            "app.data.progress",
            "app.data.revisions",
        ),
    ),
    Entry(
        TRAIN,
        "Train",
        ":material/model_training:",
        "Fine-tune a candidate on the corrections, and follow its progress.",
        Right.TRAIN,
        (
            "app.train.history",
            "app.train.start",
            "app.train.watch",
        ),
        "training",
    ),
    Entry(
        "../pages/models.py",
        "Models",
        ":material/compare:",
        "Compare candidates with the champion on the holdout, promote, roll back.",
        Right.EXPLAIN,
        ("app.models.page",),
    ),
    Entry(
        "../pages/attention.py",
        "Attention",
        ":material/visibility:",
        "What the models look at in one photo: heads from a point, labels, SimAM, boxes, faithfulness.",
        Right.EXPLAIN,
        ("app.attention.page",),
    ),
    Entry(
        "../pages/anchors.py",
        "Anchors",
        ":material/aspect_ratio:",
        "Fit anchors to the boxes of a revision or a dataset, and compare them with Darknet's.",
        Right.EXPLAIN,
        ("app.anchors.page",),
    ),
    Entry(
        "../pages/api.py",
        "API",
        ":material/api:",
        "Tokens for scripts, how to call, and webhooks.",
        Right.PREVIEW,
        ("app.api.page",),
        "tokens",
    ),
    Entry(
        "../pages/people.py",
        "People",
        ":material/group:",
        "Users, their roles, and the audit log.",
        Right.PEOPLE,
        (
            "app.people.audit",
            "app.people.projects",
            "app.people.roster",
        ),
    ),
)


def import_modules(title: str) -> None:
    """Import what the page with this title imports, unless that is done, before it runs.

    Two visitors then never import one package at the same time: a page's script finds all of it imported.
    """
    with IMPORTS:
        for name in next(entry.modules for entry in ENTRIES if entry.title == title):
            import_module(name)


def import_all_modules() -> None:
    """Import what all pages import, so that none of them waits for it at its first visit.

    The launcher calls it in the background, while the first browser loads. A page that is asked for meanwhile
    waits for its own modules alone.
    """
    for entry in ENTRIES:
        import_modules(entry.title)
        time.sleep(YIELD_SECONDS)
    freeze_garbage_collector()


def pages_for(actor: Actor) -> list[st.Page]:
    """The pages that this user may open; to Streamlit all others do not exist."""
    rights = actor.rights
    entries = [entry for entry in ENTRIES if entry.right in rights and (HERE / entry.path).is_file()]
    return [
        st.Page(
            entry.path,
            title=entry.title,
            icon=entry.icon,
            help=entry.help,
            url_path=entry.url_path,
            default=place == 0,
        )
        for place, entry in enumerate(entries)
    ]


def annotate_link(photo_id: int, label: str = "Open in Annotate") -> None:
    """A link that opens one photo in Annotate."""
    st.page_link(ANNOTATE, label=label, icon=":material/edit_square:", query_params={"photo": str(photo_id)})


def data_link(label: str = "Data") -> None:
    """A link to the page Data."""
    st.page_link(DATA, label=label, icon=":material/photo_library:")


def holdout_link(label: str = "Holdout photos without annotation") -> None:
    """A link to those photos on the page Data."""
    asked = {"data": "Photos", "part": "holdout", "state": "without annotation"}
    st.page_link(DATA, label=label, icon=":material/photo_library:", query_params=asked)


def guidelines_link(label: str = "Guidelines") -> None:
    """A link to the guidelines of the categories."""
    st.page_link(DATA, label=label, icon=":material/menu_book:", query_params={"data": "Categories"})


def annotate_page_link(label: str = "Annotate") -> None:
    """A link to the next photo of the queue."""
    st.page_link(ANNOTATE, label=label, icon=":material/edit_square:")


def training_link(label: str = "Train", **asked: str) -> None:
    """A link to the page Train, with parameters of its address."""
    st.page_link(TRAIN, label=label, icon=":material/model_training:", query_params=asked or None)


def compare_link(kind: str, candidate_id: int, label: str = "Compare with the champion") -> None:
    """A link that opens the page Models with a candidate beside the champion of its kind."""
    asked = {"kind": kind, "candidate": str(candidate_id)}
    st.page_link(MODELS, label=label, icon=":material/compare:", query_params=asked)
