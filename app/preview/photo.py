"""The open photo with boxes and heat maps, and beside it the selected garment and its correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import streamlit as st

from app.preview import batch_view, boxes, selection, viewer
from app.preview.selection import Filters, PhotoView, Place
from app.preview.session import PreviewSession
from app.text import literal
from core.garments import Garment
from core.taxonomy import color_of

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

MAPS_SECONDS = 20.0
KEYS = "← → photos · N next garment · A accept · X take out · 1 to 5 label · Ctrl+Z undo"
BAR_PIXELS = 34
EDITING = "edit-boxes"


def show(session: PreviewSession, photos: Sequence[PhotoView], filters: Filters, labeler: Labeler) -> None:
    """Draw the open photo, by default the one that was open last; the arrows step along those that pass.

    One that does not pass the filters, or no longer does, stays until another is opened.
    """
    view = _open_photo(session, photos, filters)
    if view is None:
        st.skeleton(height=480)
        return
    place = selection.place_of(photos, filters, view.item.number)
    if session.garment not in view.garments:
        session.garment = next(iter(view.garments), None)
    header = st.container()
    if st.session_state.get(EDITING):
        with header:
            _header(session, place)
        batch_view.show_question(session)
        boxes.show_boxes(session, view, labeler)
        return
    picture, panel = st.columns([5, 4], gap="medium")
    with picture:
        _picture(session, view, place)
    with header:
        _header(session, place)
    with panel:
        garment_panel(session, view, labeler)


def _open_photo(session: PreviewSession, photos: Sequence[PhotoView], filters: Filters) -> PhotoView | None:
    by_number = {view.item.number: view for view in photos}
    if session.photo not in by_number:
        first = selection.chosen(photos, filters)[:1]
        session.open_first([view.item.number for view in (*first, *photos)])
    return None if session.photo is None else by_number[session.photo]


def _header(session: PreviewSession, place: Place) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _step_button(session, "previous", place.previous, "Previous photo (←)", "chevron_left")
        if place.place is None:
            st.text("outside the filter", help=f"This photo does not pass; {place.count} do.")
        else:
            st.text(f"{place.place} of {place.count}")
        _step_button(session, "next", place.next, "Next photo (→)", "chevron_right")
        st.space("stretch")
        st.toggle(
            "Edit boxes",
            key=EDITING,
            help="Draw, move, name and delete boxes, in the editor that annotators have.",
            persist_state="session",
        )
        batch_view.show_undo(session)


def _step_button(session: PreviewSession, which: str, there: int | None, text: str, icon: str) -> None:
    st.button(
        "",
        icon=f":material/{icon}:",
        key=f"step-{which}",
        help=text,
        disabled=there is None,
        on_click=session.open,
        args=(there,),
    )


def _picture(session: PreviewSession, view: PhotoView, place: Place) -> None:
    assert session.maps is not None
    wait_seconds = MAPS_SECONDS if session.maps_requested else 0.0
    session.maps_requested = False
    viewer.show_photo(
        view,
        session.garment,
        session.maps.layers(view, wait_seconds),
        session.names,
        {
            "picked": partial(_picked, session),
            "wants": partial(_wants, session),
            "stepped": partial(_stepped, session, place),
            "ranked": partial(_ranked, session, view),
            "reversed": partial(_reversed, session),
            "keyed": partial(_keyed, session, view),
        },
    )
    st.caption(f"{KEYS}  \n{labeled_by(view.item.labeled.models)}")


def labeled_by(models: Mapping[str, str]) -> str:
    """The models that labeled the photo, which may not be the current champions (Markdown)."""
    return f"Labeled by {literal(' and '.join(models.values()))}." if models else ""


def _picked(session: PreviewSession) -> None:
    session.garment = int(viewer.event("picked"))


def _wants(session: PreviewSession) -> None:
    session.maps_requested = True


def _stepped(session: PreviewSession, place: Place) -> None:
    there = place.next if viewer.event("stepped") > 0 else place.previous
    if there is not None:
        session.open(there)


def _ranked(session: PreviewSession, view: PhotoView) -> None:
    session.choose_ranked(view, int(viewer.event("ranked")))


def _keyed(session: PreviewSession, view: PhotoView) -> None:
    actions = {
        "next": partial(session.step_garment, view, 1),
        "previous": partial(session.step_garment, view, -1),
        "accept": partial(session.accept_garment, view),
        "take out": partial(session.delete_garment, view),
    }
    action = actions.get(viewer.event("keyed"))
    if action is not None:
        action()


def _reversed(session: PreviewSession) -> None:
    if viewer.event("reversed") < 0:
        session.undo()
    else:
        session.redo()


def garment_panel(session: PreviewSession, view: PhotoView, labeler: Labeler) -> None:
    """Select a garment, see its top-5 labels, correct or delete it."""
    if not view.garments:
        said = (
            "No garment is left in this photo. Undo, draw a box with *Edit boxes*, or leave it as it is."
            if session.corrections.of(view.item.number)
            else "Nothing found above the threshold. Lower it, draw a box with *Edit boxes*, or leave the "
            "photo as it is."
        )
        st.info(said, icon=":material/search_off:")
        return
    _picker(session, view)
    batch_view.show_question(session)
    number = session.garment
    assert number is not None
    garment = view.garments[number]
    if garment.top5:
        _bars(session, view, garment)
    _models_alone(session, garment)
    _corrections(session, view, labeler)


def _models_alone(session: PreviewSession, garment: Garment) -> None:
    """What each model said of the garment by itself, marked where the joint decision overruled one."""
    if garment.detector is None or garment.classifier is None:
        return
    category, score = garment.detector
    label, probability = garment.classifier
    name = session.names.get(category, category)
    said = (
        f"Detector alone: {literal(name)} {score:.0%} · Classifier alone: {literal(label)} {probability:.0%}"
    )
    if garment.models_disagree:
        st.caption(f":material/warning: The models disagree. {said}")
    else:
        st.caption(said)


def _bars(session: PreviewSession, view: PhotoView, garment: Garment) -> None:
    """The top-5 labels as bars; a click on one sets the label, as the keys 1 to 5 do."""
    key = f"top5-{view.item.number}-{session.garment}-{garment.best_label}"

    def choose() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points:
            session.choose_ranked(view, int(points[0]["point_index"]))

    st.plotly_chart(
        top5_bars(garment),
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt="Top-5 labels: " + ", ".join(f"{label} {share:.0%}" for label, share in garment.top5),
    )
    st.caption("Click a bar, or press 1 to 5, to choose its label.")


def _picker(session: PreviewSession, view: PhotoView) -> None:
    """The garments of the photo to choose from."""
    key = f"garment-{view.item.number}"
    st.session_state[key] = session.garment
    st.pills(
        "Garment",
        list(view.garments),
        format_func=lambda number: _title(session, view, number),
        required=True,
        key=key,
        on_change=lambda: setattr(session, "garment", st.session_state[key]),
    )


def _title(session: PreviewSession, view: PhotoView, number: int) -> str:
    garment = view.garments[number]
    name = session.names.get(garment.category, garment.category)
    return f"{name} ✓" if garment.corrected else f"{name} {garment.score:.2f}"


def _corrections(session: PreviewSession, view: PhotoView, labeler: Labeler) -> None:
    number = session.garment
    assert number is not None
    garment = view.garments[number]
    _choice(session, view, "category", garment.category, labeler.categories, session.names)
    _choice(session, view, "label", garment.best_label, labeler.labels, {})
    with st.container(horizontal=True):
        st.button(
            "Accept",
            icon=":material/check:",
            key="accept",
            disabled=garment.corrected,
            help="It is right as it is (A)",
            on_click=session.accept_garment,
            args=(view,),
        )
        st.button(
            "Delete garment",
            icon=":material/delete:",
            key="take-out",
            help="Take it out of the photo (X)",
            on_click=session.delete_garment,
            args=(view,),
        )


def _choice(
    session: PreviewSession,
    view: PhotoView,
    what: str,
    current: str,
    options: Sequence[str],
    names: Mapping[str, str],
) -> None:
    """A searchable list, which shows the current value also after an undo."""
    key, named = f"{what}-{view.item.number}-{session.garment}", dict(names)
    st.session_state[key] = current
    st.selectbox(
        what.capitalize(),
        options if current in options else [current, *options],
        key=key,
        # Two of Lapel's names may be one of the shop's: both are shown.
        format_func=lambda name: f"{named[name]} ({name})" if name in named else name,
        on_change=chosen,
        args=(session, view, what, key, current),
    )


def chosen(session: PreviewSession, view: PhotoView, what: str, key: str, shown: str) -> None:
    """Apply the choice. A list that was hidden and shown again also reports a change, of its old value."""
    value = st.session_state[key]
    if value != shown:
        session.correct(view, **{what: value})


def top5_bars(garment: Garment) -> go.Figure:
    """The garment's best labels as bars with their probability; the chosen one is full in color."""
    labels = [label for label, _ in garment.top5]
    probabilities = [probability for _, probability in garment.top5]
    color = color_of(garment.category)
    figure = go.Figure(
        go.Bar(
            x=probabilities,
            y=labels,
            orientation="h",
            marker={
                "color": color,
                "opacity": [1.0 if label == garment.best_label else 0.45 for label in labels],
            },
            text=[f"{probability:.0%}" if probability >= 0.005 else "<1%" for probability in probabilities],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.update_layout(
        height=BAR_PIXELS * max(1, len(labels)) + 16,
        margin={"l": 0, "r": 44, "t": 4, "b": 4},
        bargap=0.3,
        showlegend=False,
        xaxis={"range": [0, 1], "visible": False, "fixedrange": True},
        yaxis={"autorange": "reversed", "fixedrange": True, "automargin": True, "ticksuffix": "  "},
    )
    return figure
