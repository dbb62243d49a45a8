"""Finding on the page Data: photos, crops of boxes or label issues that pass the filter; the open photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.data import bulk_actions, find, selection
from app.data.deletion import deletions, show_pending
from app.data.find import CROPS, ISSUES, Filter
from app.data.tiles import Tile, show_tiles
from app.navigation import annotate_link
from app.preview.viewer import show_picture
from app.text import NO_LABEL_ISSUES, counted, moment
from core.access import Right
from core.active_learning.label_issues import SWAPPED, LabelIssue
from core.inference.predictions import category_ids
from core.store import Store
from core.store.annotations import Annotation
from core.store.categories import Category
from core.store.photos import PhotoRow
from core.store.search import FoundBox, PhotoQuery
from core.threads import IMPORTS

PAGE, CROPS_A_PAGE = 24, 48
OPEN_KEY = "stored-photo"
NO_COLOR = "#8a939b"


def show(store: Store, person: str) -> None:
    """The filter, the results, what can be done to chosen ones, and the open photo."""
    show_pending(store, person)
    everything = store.photos.count()
    if not everything:
        st.info(
            "No photos yet. Import some under the tab “Import”, or save a batch of the page “Label photos”.",
            icon=":material/add_photo_alternate:",
        )
        return
    categories = store.categories.by_id()
    asked = find.show_filter(store, categories)
    issues = label_issues_by_photo(store) if asked.view == ISSUES else {}
    query = find.of_issues(asked, list(issues)) if asked.view == ISSUES else asked.query
    found = store.search.count_boxes(query) if asked.view == CROPS else store.search.count(query)
    _say_found(store, asked, found, everything)
    bulk_actions.show_result(store, person)
    if not found:
        passes = NO_LABEL_ISSUES if asked.view == ISSUES and not issues else "Nothing passes the filter."
        st.info(passes, icon=":material/filter_list_off:")
        return
    results_side, photo_side = st.columns([3, 2], gap="medium")
    with results_side:
        tiles = _tiles(store, asked, query, found, issues, categories)
        suggested = _suggested_categories(tiles, issues) if asked.view == ISSUES else {}
        show_results(store, asked.view, tiles, found, query, categories, person, suggested)
    with photo_side:
        show_open(store, tiles, categories, person)


def show_results(
    store: Store,
    view: str,
    tiles: Sequence[Tile],
    found: int,
    query: PhotoQuery | None,
    categories: Mapping[int, Category],
    person: str,
    suggested: Mapping[str, int],
) -> None:
    """The tiles of one page, and what can be done to the chosen ones of all pages."""
    mine = selection.selection_state()
    keys = [tile.key for tile in tiles]
    held = mine.among(store, view, keys)
    bulk_actions.show_actions(store, view, found, query, keys, categories, person, suggested)
    show_tiles(
        store,
        tiles,
        held,
        st.session_state.get(OPEN_KEY),
        on_open=_opened,
        on_choose=lambda keys, on: mine.choose(view, [key for key in keys if (key in held) != on], on),
        key=f"found-{view.split()[0].lower()}",
    )


def _say_found(store: Store, asked: Filter, found: int, everything: int) -> None:
    """How many there are, of how many, and a way back to all."""
    if asked.view == CROPS:
        shown = counted(found, "box", "boxes")
    elif found == everything:
        shown = counted(everything, "photo")
    else:
        shown = f"{found:,} of {counted(everything, 'photo')}"
    done, held = _totals(str(store.database.engine.url), store.annotations.last_id(), everything, store)
    of_all = (
        f"{done:,} of {counted(everything, 'photo')} annotated"
        if asked.view == CROPS
        else f"{done:,} annotated"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{shown} · {of_all} · {held:,} in the holdout", width="content")
        if asked.query.ids is not None:
            st.caption(f"Only {counted(len(asked.query.ids), 'photo')} by number", width="content")
        if asked.query != PhotoQuery():
            st.button(
                "Clear the filter", icon=":material/filter_list_off:", key="clear-filter", type="tertiary",
                on_click=find.clear_filter,
            )  # fmt: skip


@st.cache_data(max_entries=8, show_spinner=False)
def _totals(url: str, last_version: int, everything: int, _store: Store) -> tuple[int, int]:
    """How many photos are annotated, and in the holdout: counted when something has come or gone."""
    return _store.photos.count(annotated=True), _store.photos.count(holdout=True)


def _tiles(
    store: Store,
    asked: Filter,
    query: PhotoQuery,
    found: int,
    issues: Mapping[int, LabelIssue],
    categories: Mapping[int, Category],
) -> list[Tile]:
    """The results of one page."""
    size = CROPS_A_PAGE if asked.view == CROPS else PAGE
    pages = max(1, -(-found // size))
    page = 1
    if pages > 1:
        # Another question begins on its first page.
        page = st.pagination(
            pages, key=f"found-page-{hash((asked.view, query))}-{pages}", max_visible_pages=7
        )
    start = (page - 1) * size
    if asked.view == CROPS:
        ids = category_ids(store)
        return [box_tile(one, ids, categories) for one in store.search.boxes(query, start, size)]
    if asked.view == ISSUES:  # the worst first
        passing = set(store.search.ids(query).tolist())
        worst = [id for id in issues if id in passing][start : start + size]
        by_id = {row.id: row for row in store.search.photos(PhotoQuery(ids=tuple(worst)), 0, size)}
        rows = [by_id[id] for id in worst if id in by_id]
    else:
        rows = store.search.photos(query, start, size)
    hides = deletions().hides
    rows = [row for row in rows if not hides(row.id)]
    if not rows:
        st.info("All photos of this page are about to be deleted.", icon=":material/delete:")
    annotations = store.annotations.latest_of([row.id for row in rows]) if rows else {}
    if asked.view == ISSUES:
        return [error_tile(row, issues[row.id], annotations.get(row.id), categories) for row in rows]
    return [photo_tile(row, annotations.get(row.id), categories) for row in rows]


def photo_tile(row: PhotoRow, annotation: Annotation | None, categories: Mapping[int, Category]) -> Tile:
    """A photo with the boxes of its latest annotation."""
    boxes = annotation.boxes if annotation else ()
    drawn = [(box.box_xyxy, categories[box.category_id].color) for box in boxes]
    return Tile(str(row.id), row, row.name, note(row, annotation), drawn)


def box_tile(one: FoundBox, ids: Mapping[str, int], categories: Mapping[int, Category]) -> Tile:
    """One box as a crop; ``ids`` are the categories by the names that models have for them."""
    id = one.category_id if one.uid else ids.get(one.category or "")
    category = categories.get(id) if id is not None else None
    name = category.name if category else one.category or "unknown"
    score = "" if one.score is None else f" {one.score:.2f}"
    note = f"{one.label} · {one.photo.name}" if one.label else one.photo.name
    color = category.color if category else NO_COLOR
    return Tile(key_of(one), one.photo, name + score, note, (), one.box_xyxy, color)


def key_of(one: FoundBox) -> str:
    """A box's name among results."""
    return f"{one.photo.id}:{one.uid}" if one.uid else f"{one.photo.id}#{one.place}"


def error_tile(
    row: PhotoRow, issue: LabelIssue, annotation: Annotation | None, categories: Mapping[int, Category]
) -> Tile:
    """A box that the models contradict as a crop, with the reason; the whole photo where it is not known."""
    boxes = annotation.boxes if annotation else ()
    box = next((box for box in boxes if box.box_xyxy == issue.box_xyxy), None)
    key = f"{row.id}:{box.uid}" if box else f"{row.id}#"
    drawn = categories.get(box.category_id) if box else None
    seen = categories.get(issue.category_id or 0)
    if issue.kind == SWAPPED and drawn and seen:
        name = f"{drawn.name} → {seen.name}"
    else:
        name = f"{seen.name}: {issue.kind}" if seen else issue.kind
    known = drawn or seen
    color = known.color if known else NO_COLOR
    return Tile(key, row, name, f"{issue.score:.2f} · {issue.reason}", (), issue.box_xyxy, color)


def _suggested_categories(tiles: Sequence[Tile], issues: Mapping[int, LabelIssue]) -> dict[str, int]:
    """The category that the models see in a swapped box, by the tile's key."""
    found = {tile.key: issues[tile.photo.id] for tile in tiles if ":" in tile.key}
    return {
        key: issue.category_id
        for key, issue in found.items()
        if issue.kind == SWAPPED and issue.category_id is not None
    }


def note(row: PhotoRow, annotation: Annotation | None) -> str:
    """The line under a photo: boxes or "to annotate", holdout, near duplicate."""
    parts = [counted(len(annotation.boxes), "box", "boxes") if annotation else "to annotate"]
    parts += ["holdout"] if row.holdout else []
    parts += ["near duplicate"] if row.near_id is not None else []
    return " · ".join(parts)


def label_issues_by_photo(store: Store) -> dict[int, LabelIssue]:
    """The label issues by photo."""
    with IMPORTS:
        from core.active_learning.queue_order import label_issues  # slow to import

    return {issue.photo_id: issue for issue in label_issues(store)}


def _opened(key: str) -> None:
    st.session_state[OPEN_KEY] = key


def show_open(store: Store, tiles: Sequence[Tile], categories: Mapping[int, Category], person: str) -> None:
    """The photo of the tile that was opened last, with its boxes and what is known of it."""
    tile = next((tile for tile in tiles if tile.key == st.session_state.get(OPEN_KEY)), None)
    if tile is None:
        st.info("Select a photo to see it large and to open it in Annotate.", icon=":material/touch_app:")
        return
    row, annotation = tile.photo, store.annotations.latest(tile.photo.id)
    show_picture(
        row, store.photos.picture(row.id), annotation.boxes if annotation else (), categories, "stored"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        annotate_link(row.id)
        if store.actor.may(Right.DELETE):
            st.button(
                "Delete",
                icon=":material/delete:",
                key=f"delete-{row.id}",
                help="Can be undone for ten seconds. Earlier revisions keep its entry.",
                on_click=deletions().schedule,
                args=(store, row.id, row.name, person),
            )
    st.text("\n".join(facts(store, row, annotation)))


def facts(store: Store, row: PhotoRow, annotation: Annotation | None) -> list[str]:
    """The facts about a photo, a sentence each."""
    lines = [f"{row.width} × {row.height} pixels, imported by {row.by} on {moment(row.at)}."]
    if annotation is not None:
        boxes = counted(len(annotation.boxes), "box", "boxes")
        lines.append(
            f"{boxes} by {annotation.author} on {moment(annotation.at)}, version {annotation.version}."
        )
    tags = store.photo_notes.tags_of([row.id]).get(row.id)
    if tags:
        lines.append(f"Tags: {', '.join(tags)}.")
    if row.holdout:
        lines.append("In the holdout: models are evaluated on it, and no training here learns from it.")
    if row.near_id is not None:
        duplicate = store.photos.get(row.near_id, deleted_ok=True)
        lines.append(f"Near duplicate of {duplicate.name}{' (deleted)' if duplicate.deleted_at else ''}.")
    return lines
