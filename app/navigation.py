"""The pages with the right that each takes, the menu of those that a user may open, and links to them.

Paths are as seen from main.py in this folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.access import Actor, Right

ANNOTATE = "../pages/annotate.py"
DATA = "../pages/data.py"
TRAIN = "../pages/train.py"
MODELS = "../pages/models.py"
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Entry:
    """A page's file, seen from main.py in this folder, and its entry in the menu.

    ``url_path`` is the page's address where links of old ask for another than the file's name.
    """

    path: str
    title: str
    icon: str
    help: str
    right: Right
    url_path: str | None = None


ENTRIES = (
    Entry(
        "../pages/preview.py",
        "Label photos",
        ":material/checkroom:",
        "Label clothing photos: boxes, labels and attention maps; correct them, download the results.",
        Right.PREVIEW,
    ),
    Entry(
        ANNOTATE,
        "Annotate",
        ":material/edit_square:",
        "Correct the proposals for the next photo of the queue, and submit.",
        Right.ANNOTATE,
    ),
    Entry(
        DATA,
        "Data",
        ":material/photo_library:",
        "Stored photos, imports, categories, progress and revisions.",
        Right.READ,
    ),
    Entry(
        TRAIN,
        "Train",
        ":material/model_training:",
        "Fine-tune a candidate on the corrections, and follow its progress.",
        Right.TRAIN,
        "training",
    ),
    Entry(
        "../pages/models.py",
        "Models",
        ":material/compare:",
        "Compare candidates with the champion on the holdout, promote, roll back.",
        Right.EXPLAIN,
    ),
    Entry(
        "../pages/attention.py",
        "Attention",
        ":material/visibility:",
        "All attention maps of one photo: detector stages and classifier heads.",
        Right.EXPLAIN,
    ),
    Entry(
        "../pages/anchors.py",
        "Anchors",
        ":material/aspect_ratio:",
        "Fit anchors to the boxes of a COCO file, and compare them with Darknet's.",
        Right.EXPLAIN,
    ),
    Entry(
        "../pages/people.py",
        "People",
        ":material/group:",
        "Users, their roles, and the audit log.",
        Right.PEOPLE,
    ),
)


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


def annotate_page_link(label: str = "Annotate") -> None:
    """A link to the next photo of the queue."""
    st.page_link(ANNOTATE, label=label, icon=":material/edit_square:")


def training_link(label: str = "Train") -> None:
    """A link to the page Train."""
    st.page_link(TRAIN, label=label, icon=":material/model_training:")


def compare_link(kind: str, candidate_id: int, label: str = "Compare with the champion") -> None:
    """A link that opens the page Models with a candidate beside the champion of its kind."""
    asked = {"kind": kind, "candidate": str(candidate_id)}
    st.page_link(MODELS, label=label, icon=":material/compare:", query_params=asked)
