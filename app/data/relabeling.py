"""Relabeling of chosen boxes, all at once, and its undo as one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import streamlit as st

from app.data.background_actions import BackgroundActions, background_actions
from app.data.selection import PART, RESULT_KEY, Selection, SelectionState, boxes_of, predicted_of
from app.text import counted, flash
from core.inference.predictions import DraftRelabeling, queue_models, relabel_predicted, undo_draft_relabeling
from core.progress import Progress
from core.store import Store, bulk
from core.store.annotations import Draft
from core.store.bulk import Relabeled, new_name
from core.store.categories import Category, category_of_label
from core.taxonomy import classifier_labels

CATEGORY_KEY, LABEL_KEY = "chosen-category", "chosen-label"
SAME, NONE = "as they are", "no label"


def relabel_form(
    store: Store,
    mine: SelectionState,
    view: str,
    selection: Selection,
    categories: Mapping[int, Category],
    person: str,
    suggested: Mapping[str, int],
) -> None:
    """Set category and label of the chosen boxes, or take what the models say."""
    annotated, predicted, photos = _count(selection)
    found = bool(annotated or predicted)
    with st.popover(
        "Relabel",
        icon=":material/label:",
        disabled=not found,
        key=f"relabel-open-{mine.actions}",
        help=None if found else "Boxes are relabeled: show Crops, and choose some.",
    ):
        if not found:
            return  # whole photos
        total = annotated + predicted
        if total < len(selection):
            st.caption(f"{counted(len(selection) - total, 'chosen tile')} without a box stay as they are.")
        names = {id: category.name for id, category in categories.items()}
        st.selectbox(
            "Category",
            [SAME, *names],
            format_func=lambda id: id if id == SAME else names[id],
            key=CATEGORY_KEY,
        )
        st.selectbox(
            "Label",
            [SAME, NONE, *classifier_labels()],
            key=LABEL_KEY,
            accept_new_options=True,
            help="A label alone sets its category, too. A category alone takes away labels of others.",
        )
        st.button(
            f"Relabel {counted(total, 'box', 'boxes')}",
            type="primary",
            key="relabel",
            on_click=_relabel,
            args=(store, mine, view, selection, categories, person),
        )
        seen = {key: suggested[key] for key in selection.keys if key in suggested}
        if seen:
            st.button(
                f"Relabel {counted(len(seen), 'box', 'boxes')} as the models say",
                key="relabel-as-suggested",
                on_click=_relabel_as_suggested,
                args=(store, mine, view, seen, person),
            )
        if annotated:
            st.caption(f"On {counted(photos, 'photo')}: a new version each, and one undo for all.")
        if predicted:
            st.caption(
                f"Predicted boxes of {counted(photos, 'photo')} are accepted under the new name in "
                "your drafts, to be submitted in Annotate. Annotated photos stay."
            )


def _count(selection: Selection) -> tuple[int, int, int]:
    """How many annotated and how many predicted boxes are chosen, and on how many photos."""
    annotated, predicted = boxes_of(selection.keys), predicted_of(selection.keys)
    counts = [sum(map(len, boxes.values())) for boxes in (annotated, predicted)]
    if selection.found is not None and selection.found.of_boxes:
        counts[selection.found.query.models is not None] += len(selection) - len(selection.keys)
        return counts[0], counts[1], len(selection.photo_ids())
    return counts[0], counts[1], len({*annotated, *predicted})


def _relabel(
    store: Store,
    mine: SelectionState,
    view: str,
    selection: Selection,
    categories: Mapping[int, Category],
    person: str,
) -> None:
    category, label = st.session_state[CATEGORY_KEY], st.session_state[LABEL_KEY]
    category_id = None if category == SAME else int(category)
    text = None if label in (SAME, None) else "" if label == NONE else str(label)
    parents = category_of_label(categories.values())
    if category_id is None and text:
        category_id = parents.get(text)
    elif category_id is not None and text and parents.get(text, category_id) != category_id:
        is_of, wanted = categories[parents[text]].name, categories[category_id].name
        flash(RESULT_KEY, f"{text} is a label of {is_of}, not of {wanted}: nothing was changed.", error=True)
        return
    kept = None if category_id is None or text is not None else _labels_of(store, {category_id}, parents)
    actions, name = background_actions(store, person), new_name()
    before = actions.undo, actions.draft_relabeling

    def job(progress: Progress) -> tuple[Relabeled, DraftRelabeling | None]:
        actions.undo = actions.draft_relabeling = None
        annotated, predicted, _ = _count(selection)
        done, drafted = Relabeled(name, 0, 0), None
        if annotated or not predicted:
            relabel = partial(bulk.relabel, store, author=person, category_id=category_id, label=text)
            for keys in _reported(selection, progress):
                done += relabel(boxes_of(keys), kept_labels=kept, name=name)
        if predicted:
            drafted = _relabel_predicted(
                store, actions, selection, person, category_id, text, kept, parents, progress
            )
        return done, drafted

    actions.begin("Relabeling", job, partial(_result_text, actions, mine, view, before), (name, "Undo"))


def _reported(selection: Selection, progress: Progress) -> Iterator[list[str]]:
    """The parts of a selection; each is reported once it is done."""
    total = len(selection.photo_ids())
    for number, keys in enumerate(selection.parts(), start=1):
        yield keys
        progress(min(number * PART, total), total)


def _relabel_predicted(
    store: Store,
    actions: BackgroundActions,
    selection: Selection,
    person: str,
    category_id: int | None,
    label: str | None,
    kept: set[str] | None,
    parents: Mapping[str, int],
    progress: Progress,
) -> DraftRelabeling | None:
    models = queue_models(store)
    if models is None:
        return None
    if kept is not None:
        kept = kept | {
            name for name in store.search.labels(models) if parents.get(name) in (None, category_id)
        }
    boxes, left, saved = 0, 0, dict[int, tuple[Draft | None, int]]()
    for keys in _reported(selection, progress):
        done = relabel_predicted(
            store,
            models,
            predicted_of(keys),
            author=person,
            category_id=category_id,
            label=label,
            kept_labels=kept,
        )
        boxes, left = boxes + done.boxes, left + done.left
        saved.update(done.saved)
        # To be undone also where the action is stopped.
        actions.draft_relabeling = DraftRelabeling(boxes, left, saved)
    return actions.draft_relabeling


Undoable = tuple[tuple[str, str] | None, DraftRelabeling | None]


def _result_text(
    actions: BackgroundActions,
    mine: SelectionState,
    view: str,
    before: Undoable,
    result: tuple[Relabeled, DraftRelabeling | None],
) -> str:
    """Annotated boxes and predicted ones are reported together, and undone together."""
    done, drafted = result
    mine.actions += 1
    mine.clear(view)
    actions.undo = (done.name, "Undo") if done.photos else None
    actions.draft_relabeling = drafted if drafted is not None and drafted.saved else None
    if actions.undo is None and actions.draft_relabeling is None:
        actions.undo, actions.draft_relabeling = before
    sentences = []
    if done.photos or drafted is None:
        what = f"{counted(done.boxes, 'box', 'boxes')} on {counted(done.photos, 'photo')} relabeled."
        sentences.append(what + _stayed(done.left, "deleted, or returned by a reviewer"))
    if drafted is not None:
        what = f"{counted(drafted.boxes, 'box', 'boxes')} on {counted(len(drafted.saved), 'photo')}"
        reason = "annotated already, without proposals, or deleted"
        sentences.append(
            f"{what} relabeled in your drafts: submit them in Annotate.{_stayed(drafted.left, reason)}"
        )
    return " ".join(sentences)


def _stayed(left: int, reason: str) -> str:
    return f" {counted(left, 'photo')} stayed: {reason}." if left else ""


def _relabel_as_suggested(
    store: Store, mine: SelectionState, view: str, suggested: Mapping[str, int], person: str
) -> None:
    boxes, actions, name = boxes_of(list(suggested)), background_actions(store, person), new_name()
    wanted = {(photo, uid): suggested[f"{photo}:{uid}"] for photo, uids in boxes.items() for uid in uids}

    def job(progress: Progress) -> tuple[Relabeled, None]:
        return bulk.relabel(store, boxes, author=person, category_id=wanted, label="", name=name), None

    before = actions.undo, actions.draft_relabeling
    actions.begin("Relabeling", job, partial(_result_text, actions, mine, view, before))


def _labels_of(store: Store, ids: set[int], parents: Mapping[str, int]) -> set[str]:
    """The labels of the store that do not belong to a category other than these."""
    return {label for label in store.search.labels() if label not in parents or parents[label] in ids}


def undo_button(store: Store, person: str) -> None:
    """A button that undoes the last relabeling as one step, or redoes it."""
    actions = background_actions(store, person)
    if actions.running is not None or (actions.undo is None and actions.draft_relabeling is None):
        return
    word = actions.undo[1] if actions.undo else "Undo"
    st.button(
        f"{word} the relabeling",
        icon=":material/undo:" if word == "Undo" else ":material/redo:",
        key="relabel-undo",
        on_click=_undo,
        args=(store, actions, person),
    )


def _undo(store: Store, actions: BackgroundActions, person: str) -> None:
    change, drafted, undone_as = actions.undo, actions.draft_relabeling, new_name()
    if change is None and drafted is None:  # another tab was quicker
        return
    word = change[1] if change else "Undo"

    def result_text(results: tuple[Relabeled | None, DraftRelabeling | None]) -> str:
        done, undone = results
        # Drafts cannot be redone, and half of a relabeling is not offered.
        again = done is not None and done.photos and undone is None
        actions.undo = (
            (done.name, "Redo" if word == "Undo" else "Undo") if done is not None and again else None
        )
        actions.draft_relabeling = None
        sentences = []
        if done is not None:
            left = f" {counted(done.left, 'photo was', 'photos were')} saved again since, and left."
            what = f"{counted(done.boxes, 'box', 'boxes')} as before on {counted(done.photos, 'photo')}."
            sentences.append(what + (left if done.left else ""))
        if undone is not None and drafted is not None:
            left = f" {counted(undone.left, 'draft was', 'drafts were')} changed since, and left."
            what = f"The drafts of {counted(len(drafted.saved) - undone.left, 'photo')} are as before."
            sentences.append(what + (left if undone.left else ""))
        return " ".join(sentences)

    def job(progress: Progress) -> tuple[Relabeled | None, DraftRelabeling | None]:
        done = undone = None
        if change is not None:
            done = bulk.undo_relabel(store, change[0], author=person, undo=undone_as, progress=progress)
        if drafted is not None:
            undone = undo_draft_relabeling(store, drafted, author=person, progress=progress)
        return done, undone

    actions.begin(word, job, result_text)
