"""The editor as a page calls it: values in, typed values out, and callbacks with what a person did."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import streamlit as st

from app.components.modules import joined
from app.editor.messages import Edited, EditorAction, EditorDraft, action_from, draft_from
from app.media import ink_on, script_url
from core.errors import LapelError, StoreError
from core.garments import Box
from core.store.boxes import AnnotatedBox

PLACE = "editor"
HERE = Path(__file__).parent
log = logging.getLogger(__name__)

_CODE = joined(HERE / "editor.js").encode()

# Streamlit sends a component's code with every message: the editor's 140 KB come once, by their address.
_component = st.components.v2.component(
    "lapel_editor",
    html='<div class="lapel-editor"></div>',
    css=(HERE / "editor.css").read_text("utf-8"),
    js=(HERE / "loader.js").read_text("utf-8"),
)


class EditorCategory(Protocol):
    """A category as the store has it; ``color`` as #rrggbb."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def color(self) -> str: ...


@dataclass(frozen=True)
class EditorPhoto:
    """The photo to work on: ``width`` and ``height`` upright, in pixels, whatever size ``url`` serves.

    ``attention`` is the address of a map over the whole photo, laid under the boxes; None where there is
    none yet (the action "attention" then asks for it).
    """

    id: int
    url: str
    width: int
    height: int
    name: str = ""
    attention: str | None = None


@dataclass(frozen=True)
class Tightened:
    """A tighter place for the box ``uid`` whose corners were ``from_xyxy``; None where none was found."""

    uid: str
    from_xyxy: Box
    box_xyxy: Box | None


def box_editor(
    key: str,
    photo: EditorPhoto,
    boxes: Sequence[AnnotatedBox],
    *,
    categories: Sequence[EditorCategory],
    labels: Sequence[str] = (),
    parents: Mapping[str, int] | None = None,
    predicted_boxes: Sequence[AnnotatedBox] = (),
    attributes: Sequence[str] = (),
    tightened: Tightened | None = None,
    keys: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    sequence: int = 0,
    notice: str = "",
    readonly: bool = False,
    coming: bool = False,
    without: Sequence[str] = (),
    on_work: Callable[[EditorDraft], object] | None = None,
    on_action: Callable[[EditorAction], object] | None = None,
    place: str = PLACE,
    mount: Callable[..., Any] = _component,
) -> Edited:
    """Show the editor.

    ``key`` names the work: the person, the photo and the version it begins from; another key is another
    task. ``boxes`` and ``sequence`` are the saved draft's, or where the work begins and 0. ``parents`` gives
    labels their category, so that choosing a label sets both. ``predicted_boxes`` are what the models see,
    also below the threshold of ``boxes``: a drawn box takes its category and labels from them. ``attributes``
    are what boxes may have beside the usual flags. ``tightened`` answers the action "tighten". ``keys`` maps
    actions to a person's own keys, ``options`` settings to their choices. ``coming`` says that the models'
    boxes are on their way: a submit waits for them. ``without`` are actions that the page has no use for:
    their buttons are not shown, and their keys do nothing; "flags" are the boxes' flags.

    ``on_work`` saves a draft and ``on_action`` does what was asked; both are called before the page's script
    runs, so that the script already passes the new ``sequence`` (a browser shows "saved" once it has come
    back). A LapelError that they raise is shown in the editor. Both get only what belongs to ``key``.
    ``on_work`` may get the same state again. ``on_action`` gets a request once in a session; boxes that are
    newer than ``sequence`` go to ``on_work`` before it, but for a submit, which takes them itself. ``mount``
    puts the component on the page, and returns what it says.
    """
    data = editor_data(photo, boxes, categories, labels, parents or {}) | {
        "code": script_url(_CODE, f"{place}/code"),
        "key": key,
        "predicted_boxes": [box.as_dict() for box in predicted_boxes],
        "attributes": list(attributes),
        "tightened": None if tightened is None else asdict(tightened),
        "keys": dict(keys or {}),
        "options": dict(options or {}),
        "coming": coming,
        "without": list(without),
        "sequence": sequence,
        "readonly": readonly,
        "notice": notice or st.session_state.get(_refused(place), ""),
        "answered": st.session_state.get(_answered(place)),
    }
    result = mount(
        key=place,
        data=data,
        on_work_change=partial(_take_work, place, key, on_work),
        on_action_change=partial(_take_action, place, key, on_action, on_work, sequence),
    )
    edited = Edited(_read(draft_from, result.work, key), _read(action_from, result.action, key))
    _catch_up(place, key, edited.work, sequence, on_work)
    return edited


def editor_data(
    photo: EditorPhoto,
    boxes: Iterable[AnnotatedBox],
    categories: Iterable[EditorCategory],
    labels: Iterable[str],
    parents: Mapping[str, int],
) -> dict[str, Any]:
    """What the browser needs to draw the task; pictures go by address."""
    return {
        "photo": asdict(photo),
        "boxes": [box.as_dict() for box in boxes],
        "categories": [
            {"id": c.id, "name": c.name, "color": c.color, "ink": ink_on(c.color)} for c in categories
        ],
        "labels": list(labels),
        "parents": dict(parents),
    }


def _refused(place: str) -> str:
    return f"{place}/refused"


def _answered(place: str) -> str:
    return f"{place}/answered"


def _tried(place: str) -> str:
    return f"{place}/tried"


def _read(parse: Callable[[Any], Any], entry: Any, key: str) -> Any:
    """The message of this task, or None; what cannot be read is logged, and never the page's end."""
    if entry is None:
        return None
    try:
        message = parse(entry)
    except StoreError as refused:
        log.warning("the editor sent what cannot be read: %s", refused)
        return None
    return message if message.key == key else None


def _take_work(place: str, key: str, on_work: Callable[[EditorDraft], object] | None) -> None:
    work = _read(draft_from, st.session_state[place]["work"], key)
    if work is not None:
        _save(place, work, on_work)


def _take_action(
    place: str,
    key: str,
    on_action: Callable[[EditorAction], object] | None,
    on_work: Callable[[EditorDraft], object] | None = None,
    sequence: int = 0,
) -> None:
    action = _read(action_from, st.session_state[place]["action"], key)
    if action is None or on_action is None or action.request == st.session_state.get(_answered(place)):
        return

    def do() -> None:
        if on_work is not None and action.name != "submit" and action.sequence > sequence:
            on_work(EditorDraft(action.key, action.sequence, action.boxes, action.seconds))
        on_action(action)

    _attempt(place, do)
    st.session_state[_answered(place)] = action.request


def _save(place: str, work: EditorDraft, on_work: Callable[[EditorDraft], object] | None) -> None:
    st.session_state[_tried(place)] = (work.key, work.sequence, work.attempt)
    if on_work is not None:
        _attempt(place, lambda: on_work(work))


def _attempt(place: str, do: Callable[[], object]) -> None:
    """Do it; the sentence of a LapelError stays in the editor until something goes well."""
    try:
        do()
        st.session_state[_refused(place)] = ""
    except LapelError as refused:
        log.warning("refused in the editor: %s", refused)
        st.session_state[_refused(place)] = str(refused)


def _catch_up(
    place: str,
    key: str,
    work: EditorDraft | None,
    sequence: int,
    on_work: Callable[[EditorDraft], object] | None,
) -> None:
    """Save what came without a callback: after the server was started again, the browser's state is there
    before Streamlit knows whom to call."""
    if work is None or on_work is None or work.sequence <= sequence:
        return
    if st.session_state.get(_tried(place)) == (key, work.sequence, work.attempt):
        return
    _save(place, work, on_work)
    st.rerun()
