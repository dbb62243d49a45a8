"""The photo at hand: its picture with boxes and overlays, and beside it the chosen garment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from app import selection, viewer
from app.details import garment_panel, history_buttons
from app.selection import Seen
from app.session import Workspace
from app.wording import literal
from core.labeler import Labeler

MAPS_SECONDS = 20.0


def show(workspace: Workspace, photos: Sequence[Seen], order: Sequence[Seen], labeler: Labeler) -> None:
    """Draw the photo that is open, the first of ``order`` until one is; the arrows go along ``order``."""
    seen = _open_photo(workspace, photos, order)
    if seen is None:
        st.skeleton(height=480)
        return
    if workspace.garment not in seen.garments:
        workspace.garment = next(iter(seen.garments), None)
    header = st.container()
    picture, panel = st.columns([5, 4], gap="medium")
    with picture:
        _picture(workspace, seen, order)
    with header:
        _header(workspace, seen, order)
    with panel:
        garment_panel(workspace, seen, labeler)


def _open_photo(workspace: Workspace, photos: Sequence[Seen], order: Sequence[Seen]) -> Seen | None:
    by_number = {seen.item.number: seen for seen in photos}
    if workspace.photo not in by_number:
        workspace.open(next((seen.item.number for seen in (*order, *photos)), None))
    return None if workspace.photo is None else by_number[workspace.photo]


def _header(workspace: Workspace, seen: Seen, order: Sequence[Seen]) -> None:
    numbers = [other.item.number for other in order]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _step_button(workspace, seen, order, -1, "Previous photo (←)", "chevron_left")
        if seen.item.number in numbers:
            st.text(f"{numbers.index(seen.item.number) + 1} of {len(numbers)}")
        _step_button(workspace, seen, order, 1, "Next photo (→)", "chevron_right")
        st.space("stretch")
        history_buttons(workspace)


def _step_button(
    workspace: Workspace, seen: Seen, order: Sequence[Seen], step: int, text: str, icon: str
) -> None:
    there = selection.neighbour(order, seen.item.number, step)
    st.button(
        "",
        icon=f":material/{icon}:",
        key=f"step{step}",
        help=text,
        disabled=there in (None, seen.item.number),
        on_click=workspace.open,
        args=(there,),
    )


def _picture(workspace: Workspace, seen: Seen, order: Sequence[Seen]) -> None:
    assert workspace.maps is not None
    wait_seconds = MAPS_SECONDS if workspace.wants_maps else 0.0
    workspace.wants_maps = False
    viewer.show_photo(
        seen,
        workspace.garment,
        workspace.maps.layers(seen, wait_seconds),
        workspace.names,
        {
            "picked": partial(_picked, workspace),
            "wants": partial(_wants, workspace),
            "stepped": partial(_stepped, workspace, seen, order),
            "ranked": partial(_ranked, workspace, seen),
            "reversed": partial(_reversed, workspace),
        },
    )
    st.caption(labelled_by(seen.item.labeled.models))


def labelled_by(models: Mapping[str, str]) -> str:
    """Which models said what is shown; they may have changed since (Markdown)."""
    return f"Labelled by {literal(' and '.join(models.values()))}." if models else ""


def _picked(workspace: Workspace) -> None:
    workspace.garment = int(viewer.event("picked"))


def _wants(workspace: Workspace) -> None:
    workspace.wants_maps = True


def _stepped(workspace: Workspace, seen: Seen, order: Sequence[Seen]) -> None:
    step = 1 if viewer.event("stepped") > 0 else -1
    workspace.open(selection.neighbour(order, seen.item.number, step))


def _ranked(workspace: Workspace, seen: Seen) -> None:
    workspace.choose_ranked(seen, int(viewer.event("ranked")))


def _reversed(workspace: Workspace) -> None:
    if viewer.event("reversed") < 0:
        workspace.go_back()
    else:
        workspace.go_forward()
