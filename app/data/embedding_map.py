"""The map on the page Data: photos or garments in a plane by their embeddings, to be chosen by a lasso."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app.components.background import Task, task_runner
from app.components.charts import COLORS, plain
from app.data import bulk_actions, find, photos, selection
from app.data.find import ANNOTATED, PREDICTED
from app.data.tiles import Tile
from app.text import HIDDEN, counted, literal
from core.active_learning.label_issues import LabelIssue
from core.inference.predictions import category_ids, hidden_among, queue_models, without_hidden
from core.progress import Progress
from core.store import Store
from core.store.categories import Category
from core.store.predictions import ModelPair
from core.store.search import FoundBox, PhotoQuery
from core.threads import IMPORTS

PHOTOS, GARMENTS = "Photos", "Garments"
COLOR_BY = ("Category", "Label", "State", "Label issue")
MOST_LABELS = 12
OTHERS, NOTHING = "others", "none"
PAGE = 24
VIEW, LASSO_KEY = "Map", "map-lasso"
NO_COLOR = "#8a939b"
TICK_SECONDS = 1.0
SHORT_SECONDS = 2.0
"""How long a run of the page waits for a map: most are there by then."""


@dataclass(frozen=True)
class Point:
    """One point: the key of its photo or box, and what it is colored by."""

    key: str
    name: str
    category: str
    label: str
    state: str
    issue: str


def show(store: Store, person: str) -> None:
    """The choices, the map, and the tiles of what the lasso holds."""
    models = queue_models(store)
    if models is None:
        st.info(
            "The map appears once the models have labeled photos: a worker does so after an import.",
            icon=":material/scatter_plot:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = _control("Map of", (PHOTOS, GARMENTS), "map")
        color = _control("Color by", COLOR_BY, "map-color")
        method = _control("Method", ("PCA", "t-SNE"), "map-method")
        boxes = _control("Boxes that are", (ANNOTATED, PREDICTED), "map-boxes") if what == GARMENTS else ""
    task = _task(store, models, what, method, boxes)
    if task is None:
        return
    keys, points_xy, total, drawn_boxes = task.result
    if not len(keys):
        st.info("There is nothing to draw yet.", icon=":material/scatter_plot:")
        return
    categories = store.categories.by_id()
    if boxes != ANNOTATED and without_hidden(store, PhotoQuery(models=models)) != PhotoQuery(models=models):
        st.caption(HIDDEN)
    points = _described(store, models, keys, drawn_boxes, categories)
    noun = "photo" if what == PHOTOS else "garment"
    shown = f"a random {len(keys):,} of {counted(total, noun)}" if len(keys) < total else counted(total, noun)
    st.caption(
        f"{shown[0].upper()}{shown[1:]}; near points look alike to the classifier. "
        "Draw a lasso or a box, or click a point, to act on what it holds."
    )
    figure = draw(points, points_xy, color, categories)
    event: Any = st.plotly_chart(
        figure,
        key=f"map-chart-{what}-{color}-{method}-{boxes}",
        on_select="rerun",
        selection_mode=("lasso", "box", "points"),
        config={"displaylogo": False, "scrollZoom": True},
        alt=f"{counted(len(keys), noun)} in a plane, colored by {color.lower()}",
    )
    _follow_lasso(event)
    bulk_actions.show_result(store, person)
    _show_held(store, keys, drawn_boxes, categories, person)


def draw(
    points: Sequence[Point], points_xy: np.ndarray, color: str, categories: Mapping[int, Category]
) -> go.Figure:
    """The points (N, 2), a trace for each group that they are colored by, the last one on top."""
    groups = _groups(points, color)
    colors = {category.name: category.color for category in categories.values()}
    names = sorted(set(groups), key=lambda name: (name not in (OTHERS, NOTHING), -groups.count(name), name))
    figure = go.Figure()
    for place, name in enumerate(names):
        mine = [number for number, group in enumerate(groups) if group == name]
        known = colors.get(name) if color == "Category" else None
        usual = NO_COLOR if name in (OTHERS, NOTHING) else COLORS[place % len(COLORS)]
        figure.add_scatter(
            x=points_xy[mine, 0],
            y=points_xy[mine, 1],
            mode="markers",
            name=f"{plain(name)} ({len(mine):,})",
            customdata=[points[number].key for number in mine],
            text=[plain(f"{points[n].name}: {points[n].category} {points[n].label}") for n in mine],
            hovertemplate="%{text}<extra></extra>",
            marker={"color": known or usual, "size": 7, "opacity": 0.8},
        )
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "title": ""}
    figure.update_layout(
        height=520,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        dragmode="lasso",
        xaxis=hidden,
        yaxis=hidden,
        legend={"orientation": "h", "y": -0.02, "itemsizing": "constant"},
        showlegend=True,
    )
    return figure


def _groups(points: Sequence[Point], color: str) -> list[str]:
    if color == "State":
        return [point.state for point in points]
    if color == "Label issue":
        return [point.issue for point in points]
    if color == "Category":
        return [point.category or NOTHING for point in points]
    labels = [point.label or NOTHING for point in points]
    often = sorted(set(labels) - {NOTHING}, key=lambda label: (-labels.count(label), label))[:MOST_LABELS]
    return [label if label in (*often, NOTHING) else OTHERS for label in labels]


def _control(name: str, options: Sequence[str], key: str) -> str:
    found = st.segmented_control(
        name, options, default=options[0], required=True, key=key, bind="query-params"
    )
    return found or options[0]


def _task(store: Store, models: ModelPair, what: str, method: str, boxes: str) -> Task | None:
    """The map once it is computed; else how far it is, or why it failed, is shown."""
    key = _key(store, models, what, method, boxes)
    task = task_runner().get(key)
    if task is None and what == PHOTOS:
        task = task_runner().start(key, partial(_compute_photos, store, models, method))
        task.wait(SHORT_SECONDS)
    if task is not None and task.state == "done":
        return task
    if task is not None and task.is_going:
        st.fragment(_show_progress, run_every=TICK_SECONDS)(key)
        return None
    if task is not None and task.error:
        st.error(literal(task.error), icon=":material/error:")
    st.caption(
        "The store keeps embeddings of whole photos. Those of up to 1,000 garments are computed once, which "
        "takes about half a minute, and kept until boxes change or the server restarts."
    )
    st.button(
        "Compute the map",
        icon=":material/scatter_plot:",
        type="primary",
        key="map-compute",
        on_click=_start,
        args=(key, partial(_compute_garments, store, models, method, boxes)),
    )
    return None


def _start(key: str, job: Callable[[Progress], Computed]) -> None:
    task_runner().start(key, job)


def _key(store: Store, models: ModelPair, what: str, method: str, boxes: str) -> str:
    """Another one whenever the embeddings, or which boxes there are, may have changed."""
    state: tuple[object, ...] = (what, method, models.as_list(), store.predictions.last_at(), boxes)
    if boxes == ANNOTATED:
        state += (store.annotations.last_id(),)
    elif boxes == PREDICTED:
        state += (_predicted(store, models),)
    place = f"{store.database.engine.url} {state} {store.photos.last_id()}"
    return f"map {hashlib.sha256(place.encode()).hexdigest()}"


def _predicted(store: Store, models: ModelPair) -> PhotoQuery:
    """The garments that count as found, but for those that nobody may see yet."""
    scores = (store.predictions.score_threshold(models), 1.0)
    return without_hidden(store, PhotoQuery(models=models, scores=scores))


def _show_progress(key: str) -> None:
    task = task_runner().get(key)
    if task is None or not task.is_going:
        st.rerun()
    part = task.share
    st.progress(part, text=f"Computing the map: {task.done:,} of {task.total:,} garments")
    st.button("Cancel", icon=":material/stop:", key="map-cancel", on_click=task.cancel)


Computed = tuple[list[str], np.ndarray, int, tuple[FoundBox, ...]]
"""Keys, points (N, 2), of how many they are a sample, and the boxes, where they are garments."""


def _compute_photos(store: Store, models: ModelPair, method: str, report: Progress) -> Computed:
    with IMPORTS:
        from core.active_learning.embedding_map import plane, sample_photos

    sample = sample_photos(store, models)
    report(0, len(sample.photo_ids))
    return [str(id) for id in sample.photo_ids], plane(sample.embeddings, method), sample.total, ()


def _compute_garments(store: Store, models: ModelPair, method: str, boxes: str, report: Progress) -> Computed:
    from app import resources

    with IMPORTS:
        from core.active_learning.embedding_map import embed_boxes, plane, sample_boxes

    query = PhotoQuery() if boxes == ANNOTATED else _predicted(store, models)
    found, total = sample_boxes(store, query)
    sample = embed_boxes(store, resources.labeler(), found, total, report)
    keys = [photos.key_of(box) for box in sample.boxes]
    return keys, plane(sample.embeddings, method), total, sample.boxes


def _described(
    store: Store,
    models: ModelPair,
    keys: Sequence[str],
    boxes: Sequence[FoundBox],
    categories: Mapping[int, Category],
) -> list[Point]:
    """What the points are colored by, as the store has it now."""
    issues = photos.label_issues_by_photo(store)
    ids = list(dict.fromkeys(selection.photo_of(key) for key in keys))
    rows = {row.id: row for row in store.search.photos(PhotoQuery(ids=tuple(ids)), 0, len(ids))}
    done = set(store.search.ids(PhotoQuery(ids=tuple(ids), state="annotated")).tolist())
    state = {
        id: ("annotated" if id in done else "to annotate") + (", holdout" if row.holdout else "")
        for id, row in rows.items()
    }
    names = {id: category.name for id, category in categories.items()}
    if boxes:
        known = category_ids(store)
        return [
            Point(
                key,
                box.photo.name,
                names.get(box.category_id or known.get(box.category or "", 0), box.category or ""),
                box.label or "",
                state.get(box.photo.id, "deleted"),
                _issue_of(issues.get(box.photo.id), box),
            )
            for key, box in zip(keys, boxes, strict=True)
        ]
    hidden = hidden_among(store, ids)
    seen = store.search.best_predicted(models, [id for id in ids if id not in hidden])
    drawn = store.annotations.latest_of(ids)
    found = []
    for key in keys:
        id = int(key)
        category, label = seen.get(id, ("", None))
        largest = (
            max(drawn[id].boxes, key=lambda box: _area(box.box_xyxy), default=None) if id in drawn else None
        )
        if largest is not None:
            category, label = names[largest.category_id], largest.label
        issue = issues.get(id)
        name = rows[id].name if id in rows else "deleted"
        kind = issue.kind if issue else NOTHING
        found.append(Point(key, name, category, label or "", state.get(id, "deleted"), kind))
    return found


def _issue_of(issue: LabelIssue | None, box: FoundBox) -> str:
    return issue.kind if issue and issue.box_xyxy == box.box_xyxy else NOTHING


def _area(box_xyxy: Sequence[float]) -> float:
    x0, y0, x1, y1 = box_xyxy
    return (x1 - x0) * (y1 - y0)


def _follow_lasso(event: Any) -> None:
    """What the lasso holds is chosen, once: tiles may be unticked after that."""
    held = [str(_one(point.get("customdata"))) for point in event["selection"]["points"]]
    if held != st.session_state.get(LASSO_KEY, []):
        st.session_state[LASSO_KEY] = held
        mine = selection.selection_state()
        mine.clear(VIEW)
        mine.choose(VIEW, held, True)


def _one(customdata: Any) -> Any:
    return customdata[0] if isinstance(customdata, list | tuple) else customdata


def _show_held(
    store: Store,
    keys: Sequence[str],
    boxes: Sequence[FoundBox],
    categories: Mapping[int, Category],
    person: str,
) -> None:
    """The tiles of what the lasso holds, with the actions of Photos, and a way to find these photos there."""
    known = set(keys)
    held = [key for key in st.session_state.get(LASSO_KEY, []) if key in known]
    if not held:
        return
    ids = list(dict.fromkeys(selection.photo_of(key) for key in held))
    pages = max(1, -(-len(held) // PAGE))
    page = st.pagination(pages, key=f"map-page-{pages}-{held[0]}", max_visible_pages=7) if pages > 1 else 1
    some = held[(page - 1) * PAGE : page * PAGE]
    tiles_side, photo_side = st.columns([3, 2], gap="medium")
    tiles = _tiles(store, some, boxes, categories)
    with tiles_side:
        st.button(
            f"Find {counted(len(ids), 'photo')} in Photos",
            icon=":material/search:",
            key="map-find",
            on_click=_find,
            args=(ids,),
        )
        photos.show_results(store, VIEW, tiles, len(held), None, categories, person, {})
    with photo_side:
        photos.show_open(store, tiles, categories, person)


def _find(ids: Sequence[int]) -> None:
    find.clear_filter()
    find.choose_ids(ids)
    mine = selection.selection_state()
    mine.clear(find.PHOTOS)
    mine.choose(find.PHOTOS, [str(id) for id in ids], True)
    st.session_state.update({"view": find.PHOTOS, "data": "Photos"})


def _tiles(
    store: Store, keys: Sequence[str], boxes: Sequence[FoundBox], categories: Mapping[int, Category]
) -> list[Tile]:
    if boxes:
        by_key = {photos.key_of(box): box for box in boxes}
        ids = category_ids(store)
        return [photos.box_tile(by_key[key], ids, categories) for key in keys]
    ids_of = [int(key) for key in keys]
    rows = store.search.photos(PhotoQuery(ids=tuple(ids_of)), 0, len(ids_of))
    drawn = store.annotations.latest_of(ids_of)
    return [photos.photo_tile(row, drawn.get(row.id), categories) for row in rows]
