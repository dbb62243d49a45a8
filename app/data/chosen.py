"""Acts on chosen photos and boxes: relabel with one undo, put first in the queue, give away, export."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import streamlit as st

from app.data.find import CROPS, PHOTOS, category_of_label, labels_of_taxonomies
from app.navigation import annotate_link, annotate_page_link
from app.text import counted, flash, show_flash
from core.access import Right
from core.errors import LapelError
from core.store import Store, bulk
from core.store.categories import Category
from core.store.exports import export_chosen, export_name
from core.store.photo_notes import tag_name
from core.store.search import MOST_IDS, PhotoQuery

KEY, RESULT_KEY = "chosen", "chosen-result"
CATEGORY_KEY, LABEL_KEY, PERSON_KEY, TAG_KEY = (
    "chosen-category",
    "chosen-label",
    "chosen-person",
    "chosen-tag",
)
SAME, NONE = "as they are", "no label"
ANYBODY = "whoever comes"


@dataclass
class Chosen:
    """What a person has chosen in this session, by view, and their last bulk change with its undo.

    Keys name photos ("12") and annotated boxes ("12:uid"); predicted boxes ("12#3") have no uid.
    """

    keys: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    undo: tuple[str, str] | None = None
    acts: int = 0
    """How often something was done: the next form is another one, and closed."""

    def of(self, view: str) -> list[str]:
        """The keys of a view in the order of choosing."""
        return list(self.keys[view])

    def choose(self, view: str, keys: Sequence[str], on: bool) -> None:
        """Choose some more, or fewer."""
        for key in keys:
            if on:
                self.keys[view][key] = None
            else:
                self.keys[view].pop(key, None)

    def clear(self, view: str) -> None:
        """Choose none."""
        self.keys[view].clear()


def chosen() -> Chosen:
    """This session's."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Chosen()
    found: Chosen = st.session_state[KEY]
    return found


def photo_of(key: str) -> int:
    """The number of the photo that a key names, or whose box it names."""
    return int(key.replace("#", ":").partition(":")[0])


def boxes_of(keys: Sequence[str]) -> dict[int, list[str]]:
    """The annotated boxes among keys, by photo."""
    found: dict[int, list[str]] = defaultdict(list)
    for key in keys:
        photo, separator, uid = key.partition(":")
        if separator:
            found[int(photo)].append(uid)
    return dict(found)


def show_result(store: Store, person: str) -> None:
    """What came of the last act, and a button that undoes the last relabeling."""
    show_flash(RESULT_KEY)
    _undo_button(store, chosen(), person)


def show_acts(
    store: Store,
    view: str,
    found: int,
    query: PhotoQuery | None,
    page: Sequence[str],
    categories: Mapping[int, Category],
    person: str,
    said: Mapping[str, int],
) -> None:
    """How many are chosen, and what can be done to them.

    ``page`` are the keys that are shown, of ``found`` that ``query`` finds where there is one; ``said`` is
    the category that the models see in a box, by its key.
    """
    mine = chosen()
    keys = mine.of(view)
    is_photos = all(key.isdecimal() for key in (*page, *keys))
    noun = ("photo", "photos") if is_photos else ("box", "boxes")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{counted(len(keys), *noun)} chosen**", width="content")
        st.button("Choose page", key="choose-page", on_click=mine.choose, args=(view, list(page), True))
        if query is not None and found > len(page) and view in (PHOTOS, CROPS):
            most = min(found, MOST_IDS)
            st.button(
                f"Choose all {most:,}" if most == found else f"Choose the first {most:,}",
                key="choose-all",
                on_click=_choose_all,
                args=(store, mine, view, query),
            )
        if keys:
            st.button("Choose none", key="choose-none", on_click=mine.clear, args=(view,))
    if not keys:
        st.caption("Tick tiles to act on many at once; with Shift, all between two.")
        return
    ids = list(dict.fromkeys(photo_of(key) for key in keys))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if store.actor.may(Right.ANNOTATE):
            _relabel_form(store, mine, view, keys, categories, person, said)
            st.button(
                "Put first",
                icon=":material/vertical_align_top:",
                key="chosen-first",
                help="First in everybody's queue, also where they were done.",
                on_click=_put_first,
                args=(store, ids, person),
            )
            _assign_form(store, ids, person)
            _tag_form(store, ids, person)
        if store.actor.may(Right.EXPORT):
            _export(store, ids)
        if len(ids) == 1:
            annotate_link(ids[0])


def _choose_all(store: Store, mine: Chosen, view: str, query: PhotoQuery) -> None:
    if view == PHOTOS:
        mine.choose(view, [str(id) for id in store.search.ids(query)], True)
        return
    mark = ":" if query.models is None else "#"
    mine.choose(view, [f"{photo}{mark}{name}" for photo, name in store.search.box_keys(query)], True)


def _relabel_form(
    store: Store,
    mine: Chosen,
    view: str,
    keys: Sequence[str],
    categories: Mapping[int, Category],
    person: str,
    said: Mapping[str, int],
) -> None:
    boxes = boxes_of(keys)
    with st.popover("Relabel", icon=":material/label:", disabled=not boxes, key=f"relabel-open-{mine.acts}"):
        if not boxes:
            return  # photos, or predicted boxes, which are nobody's annotation yet
        total = sum(len(uids) for uids in boxes.values())
        if total < len(keys):
            st.caption(
                f"{counted(len(keys) - total, 'chosen tile')} without an annotated box stay as they are."
            )
        names = {id: category.name for id, category in categories.items()}
        st.selectbox(
            "Category",
            [SAME, *names],
            format_func=lambda id: id if id == SAME else names[id],
            key=CATEGORY_KEY,
        )
        st.selectbox(
            "Label",
            [SAME, NONE, *labels_of_taxonomies()],
            key=LABEL_KEY,
            accept_new_options=True,
            help="A label alone sets its category, too. A category alone takes away labels of others.",
        )
        st.button(
            f"Relabel {counted(total, 'box', 'boxes')}",
            type="primary",
            key="relabel",
            on_click=_relabel,
            args=(store, mine, view, boxes, categories, person),
        )
        seen = {key: said[key] for key in keys if key in said}
        if seen:
            st.button(
                f"Relabel {counted(len(seen), 'box', 'boxes')} as the models say",
                key="relabel-as-said",
                on_click=_relabel_as_said,
                args=(store, mine, view, seen, categories, person),
            )
        st.caption(f"On {counted(len(boxes), 'photo')}: a new version each, and one undo for all.")


def _relabel(
    store: Store,
    mine: Chosen,
    view: str,
    boxes: Mapping[int, Sequence[str]],
    categories: Mapping[int, Category],
    person: str,
) -> None:
    category, label = st.session_state[CATEGORY_KEY], st.session_state[LABEL_KEY]
    category_id = None if category == SAME else int(category)
    text = None if label in (SAME, None) else "" if label == NONE else str(label)
    parents = category_of_label(categories)
    if category_id is None and text:
        category_id = parents.get(text)
    elif category_id is not None and text and parents.get(text, category_id) != category_id:
        is_of, wanted = categories[parents[text]].name, categories[category_id].name
        flash(RESULT_KEY, f"{text} is a label of {is_of}, not of {wanted}: nothing was changed.", error=True)
        return
    kept = None if category_id is None or text is not None else _labels_of(store, {category_id}, parents)
    _do_relabel(store, mine, view, boxes, person, category_id, text, kept)


def _relabel_as_said(
    store: Store,
    mine: Chosen,
    view: str,
    said: Mapping[str, int],
    categories: Mapping[int, Category],
    person: str,
) -> None:
    boxes = boxes_of(list(said))
    wanted = {(photo, uid): said[f"{photo}:{uid}"] for photo, uids in boxes.items() for uid in uids}
    _do_relabel(store, mine, view, boxes, person, wanted, "")


def _labels_of(store: Store, ids: set[int], parents: Mapping[str, int]) -> set[str]:
    """The labels of the store that do not belong to a category other than these."""
    return {label for label in store.search.labels() if label not in parents or parents[label] in ids}


def _do_relabel(
    store: Store,
    mine: Chosen,
    view: str,
    boxes: Mapping[int, Sequence[str]],
    person: str,
    category_id: int | Mapping[tuple[int, str], int] | None,
    label: str | None,
    kept: set[str] | None = None,
) -> None:
    try:
        done = bulk.relabel(
            store, boxes, author=person, category_id=category_id, label=label, kept_labels=kept
        )
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return
    mine.undo = (done.name, "Undo") if done.photos else mine.undo
    mine.acts += 1
    mine.clear(view)
    left = f" {counted(done.left, 'photo')} stayed: deleted, or returned by a reviewer." if done.left else ""
    what = f"{counted(done.boxes, 'box', 'boxes')} on {counted(done.photos, 'photo')} relabeled."
    flash(RESULT_KEY, what + left)


def _undo_button(store: Store, mine: Chosen, person: str) -> None:
    if mine.undo is not None:
        name, word = mine.undo
        st.button(
            word,
            icon=":material/undo:" if word == "Undo" else ":material/redo:",
            key="relabel-undo",
            on_click=_undo,
            args=(store, mine, name, word, person),
        )


def _undo(store: Store, mine: Chosen, name: str, word: str, person: str) -> None:
    try:
        done = bulk.undo_relabel(store, name, author=person)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return
    mine.undo = (done.name, "Redo" if word == "Undo" else "Undo") if done.photos else None
    left = (
        f" {counted(done.left, 'photo was', 'photos were')} saved again since, and left." if done.left else ""
    )
    flash(
        RESULT_KEY,
        f"{counted(done.boxes, 'box', 'boxes')} as before on {counted(done.photos, 'photo')}.{left}",
    )


def _put_first(store: Store, ids: Sequence[int], person: str) -> None:
    _told(
        lambda: (
            f"{counted(bulk.put_first(store, ids, f'put first by {person}'), 'photo')} first in the queue."
        )
    )


def _assign_form(store: Store, ids: Sequence[int], person: str) -> None:
    with st.popover("Give to", icon=":material/person_add:", key=f"give-open-{chosen().acts}"):
        people = [person, *(name for name in store.search.people() if name != person)]
        st.selectbox(
            "Person", [*people, ANYBODY], key=PERSON_KEY, accept_new_options=True,
            help="They get these photos first, and nobody else does.",
        )  # fmt: skip
        st.button(
            f"Give {counted(len(ids), 'photo')}",
            type="primary",
            key="give",
            on_click=_assign,
            args=(store, ids, person),
        )
        annotate_page_link("Open the queue")


def _assign(store: Store, ids: Sequence[int], person: str) -> None:
    named = st.session_state[PERSON_KEY]
    to = None if named == ANYBODY else named

    def said() -> str:
        count = bulk.assign(store, ids, to, by=person)
        chosen().acts += 1
        return f"{counted(count, 'photo')} given to {named}."

    _told(said)


def _tag_form(store: Store, ids: Sequence[int], person: str) -> None:
    with st.popover("Tag", icon=":material/sell:", key=f"tag-open-{chosen().acts}"):
        known = list(store.photo_notes.known_tags())
        st.selectbox("Tag", known, key=TAG_KEY, accept_new_options=True, index=None, placeholder="winter")
        with st.container(horizontal=True):
            for word, add in (("Add", True), ("Remove", False)):
                st.button(
                    f"{word} on {counted(len(ids), 'photo')}",
                    type="primary" if add else "secondary",
                    key=f"tag-{word.lower()}",
                    on_click=_tag,
                    args=(store, ids, person, add),
                )


def _tag(store: Store, ids: Sequence[int], person: str, add: bool) -> None:
    tag = st.session_state[TAG_KEY] or ""

    def said() -> str:
        name = tag_name(tag)
        for start in range(0, len(ids), bulk.BATCH):
            some = ids[start : start + bulk.BATCH]
            store.photo_notes.tag(some, person, add=[name] if add else (), remove=() if add else [name])
        chosen().acts += 1
        return f"{name} {'added to' if add else 'removed from'} {counted(len(ids), 'photo')}."

    _told(said)


def _export(store: Store, ids: Sequence[int]) -> None:
    with st.popover("Export", icon=":material/download:", key="export-open"):
        annotated = store.search.count(PhotoQuery(ids=tuple(ids), state="annotated"))
        st.caption(
            f"The newest boxes of {counted(annotated, 'annotated photo')}"
            + (
                f"; {counted(len(ids) - annotated, 'photo')} without annotation left out."
                if annotated < len(ids)
                else "."
            )
        )
        for format, name in (("coco", "COCO"), ("csv", "CSV")):
            st.download_button(
                name,
                partial(_exported, store, tuple(ids), format),
                file_name=export_name(0, format),
                mime="application/octet-stream",
                icon=":material/download:",
                key=f"chosen-{format}",
                disabled=not annotated,
                on_click="ignore",
            )


def _exported(store: Store, ids: Sequence[int], format: str) -> bytes:
    out = io.BytesIO()
    export_chosen(store, ids, format, out)
    return out.getvalue()


def _told(act: Callable[[], str]) -> None:
    """Do it in a button's callback and say what came of it."""
    try:
        flash(RESULT_KEY, act())
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
