"""What takes photos from the preview into the store: a button for the batch, and one for the open photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from app.data.outcomes import outcomes
from app.identity import current_actor
from app.keeping import keep, say_wrong
from app.links import annotate_link, data_link
from app.selection import Seen
from app.session import Workspace
from app.store import workspace_store
from app.wording import counted, literal
from core.errors import LapelError
from core.jobs import client

KEY = "keeping"


@dataclass
class Keeping:
    """What this person has kept: what became of the last batch, and the number of each wrong photo."""

    told: list[str] = field(default_factory=list)
    problem: str = ""
    wrong_problem: str = ""
    wrong: dict[str, int] = field(default_factory=dict)
    wants: bool = False


def keeping() -> Keeping:
    """The keeping of the person whose page this is."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Keeping()
    found: Keeping = st.session_state[KEY]
    return found


def show_keep(workspace: Workspace, photos: Sequence[Seen]) -> None:
    """The button that takes the batch into the store, and what came of it."""
    mine = keeping()
    st.caption(
        f"Keep {counted(len(photos), 'photo')} in Lapel, with what you corrected: they join the queue, and "
        "the models learn from them once they are annotated."
    )
    checked = st.toggle(
        "I have checked every photo",
        key="keep-checked",
        help="Then they are kept as annotated by you, with the boxes that you see. Otherwise the boxes are "
        "proposals, to be checked in Annotate.",
    )
    st.button("Keep these", icon=":material/inventory_2:", key="keep", on_click=_ask)
    if mine.wants:
        _keep(mine, workspace, photos, checked)
        mine.wants = False  # only now: a run that was cut off goes on with what is left
    if mine.problem:
        st.error(literal(mine.problem), icon=":material/error:")
    if mine.told:
        st.success("  \n".join(map(literal, mine.told)), icon=":material/check:")
        data_link("Look at them in Data")


def show_wrong(workspace: Workspace, photos: Sequence[Seen]) -> None:
    """The button that hands the open photo to the annotators, and the link to it once that is done."""
    seen = next((seen for seen in photos if seen.item.number == workspace.photo), None)
    if seen is None:
        return
    mine = keeping()
    photo_id = mine.wrong.get(seen.item.kept.digest)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "This is wrong",
            icon=":material/report:",
            key="wrong",
            disabled=photo_id is not None,
            help="Keep this photo, and put it at the front of the queue to be corrected.",
            on_click=_say_wrong,
            args=(workspace, seen),
        )
        if photo_id is not None:
            st.text("It is next in the queue.", width="content")
            annotate_link(photo_id, "Correct it now")
    if mine.wrong_problem:
        st.error(literal(mine.wrong_problem), icon=":material/error:")


def _ask() -> None:
    keeping().wants = True


def _keep(mine: Keeping, workspace: Workspace, photos: Sequence[Seen], checked: bool) -> None:
    bar = st.progress(0.0, text="Keeping the photos…")
    mine.told, mine.problem = [], ""
    try:
        store = workspace_store()
        counts = keep(
            store,
            photos,
            workspace.corrections,
            current_actor().name,
            checked=checked,
            report=lambda part: bar.progress(part, text="Keeping the photos…"),
        )
        client.start_labelling(store)
        mine.told = outcomes(counts)
    except LapelError as error:
        mine.problem = str(error)
    bar.empty()


def _say_wrong(workspace: Workspace, seen: Seen) -> None:
    mine = keeping()
    mine.wrong_problem = ""
    try:
        store = workspace_store()
        photo_id = say_wrong(store, seen, workspace.corrections, current_actor().name)
        mine.wrong[seen.item.kept.digest] = photo_id
        client.start_labelling(store)
    except LapelError as error:
        mine.wrong_problem = str(error)
