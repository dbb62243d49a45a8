"""What is looked for on the page Data: the filter, which lives in the address, as a question to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import streamlit as st

from app.text import HIDDEN
from core.boxes import BOX_FLAGS
from core.errors import StoreError
from core.inference.predictions import category_ids, queue_models, without_hidden
from core.store import Store
from core.store.categories import Category
from core.store.predictions import NO_IMPORT
from core.store.search import PARTS, STATES, PhotoQuery
from core.taxonomy import classifier_labels

PHOTOS, CROPS, ISSUES = "Photos", "Crops", "Label issues"
VIEWS = (PHOTOS, CROPS, ISSUES)
VIEW_KEY, ISSUES_BEFORE = "view", "Label errors"
"""What addresses of before call the view of label issues."""
ANNOTATED, PREDICTED = "annotated", "predicted"
ANY = "any"
LABEL_PHOTOS = "none: saved from Label photos"
IDS = "ids"
LONGEST_IDS = 1500
"""Characters of numbers in an address; more of them stay in the session alone."""

IDS_KEY = "found-ids"
HOLDOUT_HELP = (
    "The holdout, 15 % of the photos by content, is annotated but never trained on: models are evaluated "
    "on it."
)
WIDGETS: dict[str, object] = {
    "q": "",
    "state": ANY,
    "category": ANY,
    "label": ANY,
    "boxes": ANNOTATED,
    "score": (0.0, 1.0),
    "flag": ANY,
    "tag": ANY,
    "part": ANY,
    "by": ANY,
    "given": ANY,
    "source": ANY,
    "revision": ANY,
}
"""The filter's widgets with what they begin with; their keys are the parameters of the address."""


@dataclass(frozen=True)
class Filter:
    """The question, and how its answers are shown: as one of VIEWS."""

    query: PhotoQuery
    view: str


def show_filter(store: Store, categories: Mapping[int, Category]) -> Filter:
    """Draw the filter and return what it asks for."""
    state = f"{store.database.engine.url} {store.annotations.last_id()} {store.photos.last_id()}"
    people = _people(state, store)
    if st.query_params.get(VIEW_KEY) == ISSUES_BEFORE:
        st.session_state[VIEW_KEY] = ISSUES
    view = st.segmented_control(
        "Show as",
        VIEWS,
        default=PHOTOS,
        required=True,
        key=VIEW_KEY,
        bind="query-params",
        help="Crops show each box by itself. Label issues are boxes that the models contradict, found when "
        "the queue was last ordered.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Name contains", key="q", icon=":material/search:", bind="query-params", width=220
        )
        photo_state = _choice("State", STATES, "state", width=200)
        names = {category.name: id for id, category in categories.items()}
        category = _choice("Category", list(names), "category", width=170)
        label = _choice("Label", _labels(state, store), "label", width=170)
        with st.popover("More filters", icon=":material/tune:"):
            is_predicted, scores = _box_filters()
            more = _more_filters(store, people)
    models = queue_models(store) if is_predicted else None
    if is_predicted and models is None:
        st.info("No models have labeled photos yet: there are no predicted boxes.", icon=":material/info:")
    category_id = names.get(category or "")
    asked = PhotoQuery(
        text=(text or "").strip(),
        state=photo_state,
        ids=_ids(),
        category_id=category_id,
        label=label,
        models=models,
        predicted_as=tuple(name for name, id in category_ids(store).items() if id == category_id),
        scores=scores if models else (0.0, 1.0),
        **more,
    )
    query = without_hidden(store, asked)
    if query != asked:
        st.caption(HIDDEN)
    return Filter(query, view or PHOTOS)


def _box_filters() -> tuple[bool, tuple[float, float]]:
    """Whether category and label are those of predicted boxes, and the scores of these."""
    boxes = st.segmented_control(
        "Category and label of boxes that are",
        (ANNOTATED, PREDICTED),
        default=ANNOTATED,
        required=True,
        key="boxes",
        bind="query-params",
    )
    low, high = st.slider(
        "Score of a predicted box",
        0.0,
        1.0,
        (0.0, 1.0),
        0.05,
        key="score",
        bind="query-params",
        disabled=boxes != PREDICTED,
    )
    return boxes == PREDICTED, (float(low), float(high))


def _more_filters(store: Store, people: Sequence[str]) -> dict[str, Any]:
    """What few ask for, as fields of a PhotoQuery."""
    flags = [*BOX_FLAGS, *store.categories.attributes()]
    imports = {f"{row.id}: {row.source}": row.id for row in store.imports.recent(200)}
    imports = {LABEL_PHOTOS: NO_IMPORT} | imports
    revisions = {str(revision.number): revision.number for revision in store.revisions.all()}
    return {
        "flag": _choice("Attribute of a box", flags, "flag", help="Annotated boxes have attributes."),
        "tag": _choice("Tag", list(store.photo_notes.known_tags()), "tag"),
        "part": _choice("Part", PARTS, "part", help=HOLDOUT_HELP),
        "author": _choice("Annotated by", people, "by"),
        "assigned_to": _choice("Open task given to", people, "given"),
        "import_id": imports.get(_choice("Import", list(imports), "source") or ""),
        "revision": revisions.get(_choice("In revision", list(revisions), "revision") or ""),
    }


def clear_filter() -> None:
    """Ask for all photos again; the view stays. For use in a callback."""
    st.session_state.update(WIDGETS)
    forget_ids()


def choose_ids(photo_ids: Sequence[int]) -> None:
    """Ask for these photos alone, by number; the address names them where they are not too many."""
    st.session_state[IDS_KEY] = tuple(sorted(set(photo_ids)))
    text = in_ranges(st.session_state[IDS_KEY])
    if len(text) <= LONGEST_IDS:
        st.query_params[IDS] = text
    else:
        st.query_params.pop(IDS, None)


def forget_ids() -> None:
    """Ask for photos of any number again."""
    st.session_state.pop(IDS_KEY, None)
    st.query_params.pop(IDS, None)


def in_ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers as a short text.

    >>> in_ranges((1, 2, 3, 7))
    '1-3,7'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def from_ranges(text: str) -> tuple[int, ...]:
    """The numbers of such a text; raises StoreError for one that is none.

    >>> from_ranges("1-3,7")
    (1, 2, 3, 7)
    """
    numbers: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        if not low.isdecimal() or not (high or low).isdecimal() or len(part) > 20:
            raise StoreError(f"expected photos by number, as 1-3,7, got {text[:40]!r}")
        first, last = int(low), int(high or low)
        if not 0 <= last - first < 10_000:
            raise StoreError(f"expected photos by number, as 1-3,7, got {text[:40]!r}")
        numbers += range(first, last + 1)
    return tuple(numbers)


def of_issues(asked: Filter, photo_ids: Sequence[int]) -> PhotoQuery:
    """The question about these photos alone."""
    wanted = set(photo_ids) if asked.query.ids is None else set(photo_ids) & set(asked.query.ids)
    return replace(asked.query, ids=tuple(sorted(wanted)))


def _choice(
    name: str,
    options: Sequence[str],
    key: str,
    *,
    width: int | Literal["stretch"] = "stretch",
    help: str | None = None,
) -> str | None:
    """A select box that may be left at "any"; the address has what was chosen."""
    found = st.selectbox(name, [ANY, *options], key=key, bind="query-params", width=width, help=help)
    return None if found in (None, ANY) else found


def _ids() -> tuple[int, ...] | None:
    """The photos that the address or the session asks for by number."""
    asked = st.query_params.get(IDS)
    if asked is not None:
        st.session_state[IDS_KEY] = from_ranges(asked)
    found: tuple[int, ...] | None = st.session_state.get(IDS_KEY)
    return found


@st.cache_data(max_entries=4, show_spinner=False)
def _labels(state: str, _store: Store) -> list[str]:
    models = queue_models(_store)
    known = {*classifier_labels(), *_store.search.labels()}
    return sorted(known | set(_store.search.labels(models) if models else ()))


@st.cache_data(max_entries=4, show_spinner=False, ttl=60)
def _people(state: str, _store: Store) -> list[str]:
    return _store.search.users()
