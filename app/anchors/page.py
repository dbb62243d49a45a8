"""The page Anchors: whose boxes, how many anchors; the fit, the studies, and what to do with the anchors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from app.anchors import charts, sources
from app.components.background import TaskRunner
from app.components.charts import downloadable
from app.components.choices import choose_segment, remember
from app.navigation import training_link
from app.text import literal
from core.anchor_studies import (
    KMEANS,
    RECALL_IOU,
    REFINED,
    SAMPLE,
    SEEDS,
    STUDIES,
    Row,
    measure_fit,
    scale_rows,
    seeding_spreads,
)
from core.anchors import (
    AnchorResult,
    anchors_json,
    anchors_yaml,
    darknet_anchors,
    darknet_line,
    kmeans_anchors,
)
from core.errors import LapelError
from core.store import Store

PARTS = {
    "sizes": "Sizes",
    "clusters": "Number",
    "seedings": "Seeding",
    "refinement": "Refine",
    "scales": "Scales",
}
POLL_SECONDS = 0.5
TRAINED = 9
"""How many anchors a detector of Lapel has."""


def show(store: Store) -> None:
    """The choices, one part, and the anchors to take away."""
    st.markdown(
        "K-means++ under the distance 1 − IoU fits a detector's anchors to the sizes of your own boxes, in "
        "whatever order these come."
    )
    found = sources.choose(store)
    if found is None:
        return
    with st.grid(3, min_column_width=120):
        clusters = _number("Anchors", "clusters", 9, (1, 100))
        size = _number(
            "Input in pixels",
            "size",
            416,
            (32, 2048),
            step=32,
            help="The long side of the network's input: anchors are in pixels of it.",
        )
        seed = _number("Seed", "seed", 0, (0, 2**31 - 1), help="The same seed gives the same anchors.")
    part = choose_segment("Part", PARTS, "anchors-part", "part")
    digest, boxes_wh = found.digest, found.boxes_wh * (size / sources.UNIT)
    fitted = _fit(digest, clusters, size, seed, boxes_wh)
    if part == "refinement":
        rows = _study("refinement", found, clusters, seed)
        if rows is not None:
            _use(boxes_wh, _refinement(boxes_wh, rows, fitted, size), size)
        return
    if part in STUDIES:
        rows = _study(part, found, clusters, seed)
        if rows is not None:
            (_clusters if part == "clusters" else _seedings)(rows, clusters)
    elif part == "scales":
        _scales(boxes_wh, fitted)
    else:
        _sizes(boxes_wh, fitted, size)
    _use(boxes_wh, fitted, size)


def _number(
    label: str, name: str, default: int, between: tuple[int, int], *, step: int = 1, help: str | None = None
) -> int:
    """A whole number: from the URL until the user chooses."""
    key, (least, most) = f"anchors-{name}", between
    if key not in st.session_state:
        asked = st.query_params.get(name, "")
        is_fit = asked.isdecimal() and len(asked) < 11 and least <= int(asked) <= most
        st.session_state[key] = int(asked) if is_fit else default
    number = int(st.number_input(label, least, most, step=step, key=key, help=help))
    remember(name, str(number))
    return number


@st.cache_resource(max_entries=32, show_spinner="Fitting the anchors…")
def _fit(digest: str, clusters: int, size: int, seed: int, _boxes_wh: np.ndarray) -> AnchorResult:
    """Cached by the boxes' digest."""
    return kmeans_anchors(_boxes_wh, clusters, seed)


@st.cache_resource(show_spinner=False)
def study_runner() -> TaskRunner:
    """This process's studies, one at a time."""
    return TaskRunner()


def study_key(study: str, digest: str, clusters: int, seed: int) -> str:
    """What a study is known by; how anchors fit by their number is the same for each number."""
    return f"{study}-{digest}-{seed}" + ("" if study == "clusters" else f"-{clusters}")


def _study(study: str, found: sources.BoxSizes, clusters: int, seed: int) -> list[Row] | None:
    """A study's rows, in an input of ``UNIT`` px; until they are there, its progress."""
    key = study_key(study, found.digest, clusters, seed)
    task = study_runner().get(key)
    if task is None or task.state == "cancelled":
        run = partial(STUDIES[study], found.boxes_wh, sources.UNIT, clusters, seed)
        task = study_runner().start(key, run)
    if task.is_going:
        st.fragment(_tick, run_every=POLL_SECONDS)(key)
        return None
    if task.error:
        st.error(literal(task.error), icon=":material/error:")
        return None
    rows: list[Row] = task.result
    return rows


def _tick(key: str) -> None:
    task = study_runner().get(key)
    if task is None or not task.is_going:
        st.rerun()
    st.progress(task.share, text="Waiting for another study" if task.state == "waiting" else "Computing…")


def _sizes(boxes_wh: np.ndarray, fitted: AnchorResult, size: int) -> None:
    darknet_wh = darknet_anchors(size)
    _figures(boxes_wh, fitted.anchors, darknet_wh, "Mean best IoU, ours")
    st.plotly_chart(
        charts.box_sizes(boxes_wh, fitted.anchors, darknet_wh),
        key="sizes",
        config=downloadable("anchors-sizes"),
        alt=f"Widths and heights of {len(boxes_wh)} boxes in the colors of {len(fitted.anchors)} clusters, "
        "with their anchors and Darknet's nine",
    )


def _figures(boxes_wh: np.ndarray, anchors_wh: np.ndarray, darknet_wh: np.ndarray, title: str) -> None:
    """Mean best IoU and recall over all boxes, against Darknet's."""
    ours, theirs = measure_fit(boxes_wh, anchors_wh), measure_fit(boxes_wh, darknet_wh)
    gains = {name: ours[name] - theirs[name] for name in ours}
    with st.grid(3, min_column_width=240):
        st.metric(
            title,
            f"{ours['mean_iou']:.3f}",
            f"{gains['mean_iou']:+.3f} over Darknet's {theirs['mean_iou']:.3f}",
            border=True,
            height="stretch",
        )
        st.metric(
            f"Recall (best IoU above {RECALL_IOU})",
            f"{ours['recall']:.1%}",
            f"{100 * gains['recall']:+.1f} points over Darknet's {theirs['recall']:.1%}",
            border=True,
            height="stretch",
        )
        st.metric("Boxes", f"{len(boxes_wh):,}", border=True, height="stretch")


def _clusters(rows: list[Row], clusters: int) -> None:
    st.plotly_chart(
        charts.by_clusters(rows, clusters),
        key="by-clusters",
        config=downloadable("anchors-by-number"),
        alt="Mean best IoU and recall against the number of anchors, beside Darknet's nine",
    )
    st.caption(
        f"Recall is the share of boxes whose best IoU with an anchor is above {RECALL_IOU}. Crosses are "
        f"Darknet's nine. On {_sampled()}; the larger dot is the number chosen above."
    )
    _table(["Anchors", "Number", "Mean best IoU", "Recall"], [list(row.values()) for row in rows], "clusters")


def _seedings(rows: list[Row], clusters: int) -> None:
    for key, title in (("iterations", "Lloyd's steps"), ("mean_iou", "mean best IoU")):
        st.plotly_chart(
            charts.seedings(rows, key, title),
            key=f"seedings-{key}",
            config=downloadable(f"anchors-seeding-{key}"),
            alt=f"{title} of {SEEDS} seeds, by K-means++ and by random seeding",
        )
    spreads = seeding_spreads(rows)
    names = {
        "iterations": ("Steps", ".1f"),
        "mean_iou": ("Mean best IoU", ".4f"),
        "recall": ("Recall", ".3f"),
    }
    lines = [
        [charts.SEEDING_NAMES[row["seeding"]], title]
        + [
            format(value, form)
            for value in (row[key].mean, row[key].deviation, row[key].least, row[key].most)
        ]
        for key, (title, form) in names.items()
        for row in spreads
    ]
    _table(["Seeding", "Figure", "Mean", "Standard deviation", "Least", "Most"], lines, "seedings")
    st.caption(
        f"{clusters} anchors from each of {SEEDS} seeds with one seeding a run, on {_sampled()}. A step "
        "of K-means++ draws four candidates and keeps the best. The anchors to use are the best of ten runs."
    )


def _refinement(boxes_wh: np.ndarray, rows: list[Row], fitted: AnchorResult, size: int) -> AnchorResult:
    """The table, and the anchors that the visitor would take."""
    lines = [
        [row["anchors"], row["mean_iou"], row["recall"], "" if row["kept"] is None else row["kept"]]
        for row in rows
    ]
    _table(["Anchors", "Mean best IoU", "Recall", "Mutations kept"], lines, "refinement")
    st.caption(
        "Auto-anchor as YOLOv5's users know it, a reconstruction from the idea: 1,000 times, some sides are "
        "multiplied by random factors, and what raises the fitness stays. The fitness is the mean best IoU "
        "here; YOLOv5's counts ratios of sides."
    )
    wanted = REFINED.format(KMEANS)
    refined = next(row for row in rows if row["anchors"] == wanted)
    anchors_wh = np.array(refined["anchors_wh"]) * (size / sources.UNIT)
    if choose_segment("Take", {wanted: wanted, KMEANS: KMEANS}, "anchors-take", "take") == KMEANS:
        return fitted
    return AnchorResult(anchors_wh, float(refined["mean_iou"]), fitted.iterations)


def _scales(boxes_wh: np.ndarray, fitted: AnchorResult) -> None:
    try:
        rows = scale_rows(boxes_wh, fitted.anchors)
    except LapelError:
        st.info(
            f"A detector has three scales with as many anchors each: choose a multiple of 3, not "
            f"{len(fitted.anchors)}.",
            icon=":material/filter_3:",
        )
        return
    st.plotly_chart(
        charts.scale_sizes(boxes_wh, fitted.anchors),
        key="scales",
        config=downloadable("anchors-scales"),
        alt="Boxes by the root of their area, stacked by the stride that they fall to",
    )
    lines = [
        [
            row["stride"],
            _pairs(row["anchors"]),
            f"{row['boxes']:,} ({row['share']:.1%})",
            _pairs([row["median"]]) if row["median"] else "–",
            "–" if row["mean_iou"] is None else f"{row['mean_iou']:.3f}",
            "–" if row["recall"] is None else f"{row['recall']:.1%}",
        ]
        for row in rows
    ]
    _table(["Stride", "Anchors", "Boxes", "Median box", "Mean best IoU", "Recall"], lines, "scales")
    st.caption(
        "A box falls to the stride of its best anchor: stride 8 has the smallest third of them. "
        "In training, a box is given other anchors above an IoU of 0.213 as well."
    )


def _use(boxes_wh: np.ndarray, fitted: AnchorResult, size: int) -> None:
    """The anchors as files, and the command that trains with them."""
    st.subheader("Use these anchors")
    found = anchors_json(boxes_wh, fitted, size) | {"size": size}
    st.code(_pairs(found["anchors"]), language=None, wrap_lines=True)
    with st.container(horizontal=True):
        for title, text, name, kind in (
            ("JSON", json.dumps(found, indent=2) + "\n", "anchors.json", "application/json"),
            ("YAML", anchors_yaml(fitted.anchors), "anchors.yaml", "application/yaml"),
            ("Darknet", darknet_line(fitted.anchors) + "\n", "anchors.cfg", "text/plain"),
        ):
            st.download_button(
                title,
                text,
                name,
                kind,
                icon=":material/download:",
                key=f"anchors-{title.lower()}",
                on_click="ignore",
            )
    if len(fitted.anchors) != TRAINED:
        st.caption(f"A detector of Lapel has {TRAINED} anchors: choose {TRAINED} to train with the file.")
        return
    st.markdown("Train a detector with the JSON file:")
    st.code(
        "python -m core train detector --data train.json --val val.json "
        f"--size {size} --anchors anchors.json",
        language="sh",
        wrap_lines=True,
    )
    st.caption("The file's anchors are in pixels of this input size.")
    pairs = ",".join(f"{side / size:.5f}" for pair in fitted.anchors for side in pair)
    training_link("Fine-tune the champion with these anchors", anchors=pairs)


def _pairs(pairs: Sequence[Sequence[float]]) -> str:
    return ", ".join(f"{width:.0f},{height:.0f}" for width, height in pairs)


def _sampled() -> str:
    return f"a sample of at most {SAMPLE:,} boxes"


def _table(columns: Sequence[str], lines: Sequence[Sequence[Any]], key: str) -> None:
    cells = {name: [line[place] for line in lines] for place, name in enumerate(columns)}
    st.dataframe(cells, hide_index=True, key=f"anchors-{key}-table", alt=f"The figures, {len(lines)} rows")
