"""One garment of the photo: its best labels, and the means to put it right.

The photo at hand: its picture with boxes and overlays, and beside it the chosen garment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from app.preview import selection, viewer
from app.preview.charts import top5_bars
from app.preview.selection import Seen, described
from app.preview.session import Workspace
from app.text import literal
from core.garments import Garment
from core.inference.labeler import Labeler


def history_buttons(workspace: Workspace) -> None:
    """Undo and redo of corrections."""
    done, undone = workspace.corrections.done, workspace.corrections.undone
    st.button(
        "",
        icon=":material/undo:",
        key="undo",
        disabled=not done,
        help=f"Undo: {described(done[-1])} (Ctrl+Z)" if done else "Nothing to undo",
        on_click=workspace.go_back,
    )
    st.button(
        "",
        icon=":material/redo:",
        key="redo",
        disabled=not undone,
        help=f"Redo: {described(undone[-1])} (Ctrl+Shift+Z)" if undone else "Nothing to redo",
        on_click=workspace.go_forward,
    )


def garment_panel(workspace: Workspace, seen: Seen, labeler: Labeler) -> None:
    """Choose a garment, see its labels, correct it or take it out."""
    if not seen.garments:
        st.info(
            "Nothing found above the threshold. Lower it, or leave the photo as it is.",
            icon=":material/search_off:",
        )
        return
    _picker(workspace, seen)
    number = workspace.garment
    assert number is not None
    garment = seen.garments[number]
    if garment.top5:
        _bars(workspace, seen, garment)
    _corrections(workspace, seen, labeler)


def _bars(workspace: Workspace, seen: Seen, garment: Garment) -> None:
    """The best labels as bars; a click on one chooses it, as its rank on the keyboard does."""
    key = f"top5-{seen.item.number}-{workspace.garment}-{garment.best_label}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            workspace.choose_ranked(seen, int(points[0]["point_index"]))

    st.plotly_chart(
        top5_bars(garment),
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt="Top-5 labels: " + ", ".join(f"{label} {share:.0%}" for label, share in garment.top5),
    )
    st.caption("Click a bar, or press 1 to 5, to choose its label.")


def _picker(workspace: Workspace, seen: Seen) -> None:
    """The garments of the photo to choose from."""
    key = f"garment-{seen.item.number}"
    st.session_state[key] = workspace.garment
    st.pills(
        "Garment",
        list(seen.garments),
        format_func=lambda number: _title(workspace, seen, number),
        required=True,
        key=key,
        on_change=lambda: setattr(workspace, "garment", st.session_state[key]),
    )


def _title(workspace: Workspace, seen: Seen, number: int) -> str:
    garment = seen.garments[number]
    name = workspace.names.get(garment.category, garment.category)
    return f"{name} ✓" if garment.corrected else f"{name} {garment.score:.2f}"


def _corrections(workspace: Workspace, seen: Seen, labeler: Labeler) -> None:
    number = workspace.garment
    assert number is not None
    garment = seen.garments[number]
    _choice(workspace, seen, "category", garment.category, labeler.categories, workspace.names)
    _choice(workspace, seen, "label", garment.best_label, labeler.labels, {})
    st.button(
        "Take this garment out",
        icon=":material/delete:",
        key="take-out",
        on_click=workspace.take_out,
        args=(seen,),
    )


def _choice(
    workspace: Workspace,
    seen: Seen,
    what: str,
    current: str,
    options: Sequence[str],
    names: Mapping[str, str],
) -> None:
    """A searchable list; what is written into its state first is the value of now, also after an undo."""
    key, named = f"{what}-{seen.item.number}-{workspace.garment}", dict(names)
    st.session_state[key] = current
    st.selectbox(
        what.capitalize(),
        options if current in options else [current, *options],
        key=key,
        # Two of Lapel's names may be one of the shop's: both are shown.
        format_func=lambda name: f"{named[name]} ({name})" if name in named else name,
        on_change=chosen,
        args=(workspace, seen, what, key, current),
    )


def chosen(workspace: Workspace, seen: Seen, what: str, key: str, shown: str) -> None:
    """Take what was chosen. A list that went and came back also counts as changed: it says what it showed."""
    value = st.session_state[key]
    if value != shown:
        workspace.correct(seen, **{what: value})


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
