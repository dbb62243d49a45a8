"""Relabeling of chosen boxes, all at once, and its undo as one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.data.chosen import RESULT_KEY, Chosen, boxes_of, predicted_of
from app.data.find import category_of_label, labels_of_taxonomies
from app.text import counted, flash
from core.errors import LapelError
from core.inference.predictions import Drafted, queue_models, relabel_predicted, undo_drafted
from core.store import Store, bulk
from core.store.categories import Category
from core.store.predictions import ModelPair

CATEGORY_KEY, LABEL_KEY = "chosen-category", "chosen-label"
SAME, NONE = "as they are", "no label"


def relabel_form(
    store: Store,
    mine: Chosen,
    view: str,
    keys: Sequence[str],
    categories: Mapping[int, Category],
    person: str,
    said: Mapping[str, int],
) -> None:
    """Set category and label of the boxes among the keys, or take what the models say."""
    boxes, predicted = boxes_of(keys), predicted_of(keys)
    found = bool(boxes or predicted)
    with st.popover(
        "Relabel",
        icon=":material/label:",
        disabled=not found,
        key=f"relabel-open-{mine.acts}",
        help=None if found else "Boxes are relabeled: show Crops, and choose some.",
    ):
        if not found:
            return  # whole photos
        total = sum(map(len, boxes.values())) + sum(map(len, predicted.values()))
        if total < len(keys):
            st.caption(f"{counted(len(keys) - total, 'chosen tile')} without a box stay as they are.")
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
            args=(store, mine, view, boxes, predicted, categories, person),
        )
        seen = {key: said[key] for key in keys if key in said}
        if seen:
            st.button(
                f"Relabel {counted(len(seen), 'box', 'boxes')} as the models say",
                key="relabel-as-said",
                on_click=_relabel_as_said,
                args=(store, mine, view, seen, categories, person),
            )
        if boxes:
            st.caption(f"On {counted(len(boxes), 'photo')}: a new version each, and one undo for all.")
        if predicted:
            st.caption(
                f"Predicted boxes of {counted(len(predicted), 'photo')} are accepted under the new name in "
                "your drafts, to be submitted in Annotate. Annotated photos stay."
            )


def _relabel(
    store: Store,
    mine: Chosen,
    view: str,
    boxes: Mapping[int, Sequence[str]],
    predicted: Mapping[int, Sequence[int]],
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
    if boxes or not predicted:
        _do_relabel(store, mine, view, boxes, person, category_id, text, kept)
    models = queue_models(store)
    if predicted and models is not None:
        if kept is not None:
            kept |= {name for name in store.search.labels(models) if parents.get(name) in (None, category_id)}
        _do_predicted(store, mine, view, models, predicted, person, category_id, text, kept)


def _do_predicted(
    store: Store,
    mine: Chosen,
    view: str,
    models: ModelPair,
    predicted: Mapping[int, Sequence[int]],
    person: str,
    category_id: int | None,
    label: str | None,
    kept: set[str] | None,
) -> None:
    try:
        done = relabel_predicted(
            store, models, predicted, author=person, category_id=category_id, label=label, kept_labels=kept
        )
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return
    mine.undo, mine.drafted = None, done if done.saved else None
    mine.acts += 1
    mine.clear(view)
    left = (
        f" {counted(done.left, 'photo')} stayed: annotated already, without proposals, or deleted."
        if done.left
        else ""
    )
    what = f"{counted(done.boxes, 'box', 'boxes')} on {counted(len(done.saved), 'photo')} relabeled in your "
    flash(RESULT_KEY, f"{what}drafts: submit them in Annotate.{left}")


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
    if done.photos:
        mine.undo, mine.drafted = (done.name, "Undo"), None
    mine.acts += 1
    mine.clear(view)
    left = f" {counted(done.left, 'photo')} stayed: deleted, or returned by a reviewer." if done.left else ""
    what = f"{counted(done.boxes, 'box', 'boxes')} on {counted(done.photos, 'photo')} relabeled."
    flash(RESULT_KEY, what + left)


def undo_button(store: Store, mine: Chosen, person: str) -> None:
    """A button that undoes the last relabeling as one step, or redoes it."""
    if mine.undo is not None:
        name, word = mine.undo
        st.button(
            word,
            icon=":material/undo:" if word == "Undo" else ":material/redo:",
            key="relabel-undo",
            on_click=_undo,
            args=(store, mine, name, word, person),
        )
    elif mine.drafted is not None:
        st.button(
            "Undo",
            icon=":material/undo:",
            key="relabel-undo",
            on_click=_undo_drafted,
            args=(store, mine, mine.drafted, person),
        )


def _undo_drafted(store: Store, mine: Chosen, done: Drafted, person: str) -> None:
    try:
        undone = undo_drafted(store, done, author=person)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
        return
    mine.drafted = None
    left = (
        f" {counted(undone.left, 'draft was', 'drafts were')} changed since, and left." if undone.left else ""
    )
    restored = counted(len(done.saved) - undone.left, "photo")
    flash(RESULT_KEY, f"The drafts of {restored} are as before.{left}")


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
