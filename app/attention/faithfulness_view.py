"""The view of faithfulness: deletion and insertion of each map of a garment, and maps by random weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.colors import qualitative

from app.attention import models
from app.attention.figure import Panel, Section, npz_button, scale_of, show_figure
from app.attention.garment_views import file_stem, named, picture_of
from app.attention.link import begin, key_of, remember
from app.attention.models import Choice
from app.attention.subject import Subject
from app.components.charts import downloadable
from app.text import literal
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.evaluation.faithfulness import Faithfulness
    from core.inference.attribution import ClassifierInspector

RESULT_KEY, RANDOM_KEY = "attention-faithful", "attention-random"
MEASURED = "measured"
"""The parameter of the address that says that the figures were measured."""

MIDDLE, NOISE = "Middle (control)", "Noise (control)"
CONTROL_COLOR, CONTROL_DASHES = "#888888", {MIDDLE: "dot", NOISE: "dashdot"}
CHECKED = ("class_activation", "attention", "rollout_2x")
RANDOM_TITLES = {"head": "Random head", "attention": "Random attention too", "backbone": "All random"}
HELP = (
    "Deletion: the pixels that a map marks are taken away, best first; a faithful map makes the confidence "
    "fall at once, so its area is small. Insertion: they are put in, and the area is large (Petsiuk et al. "
    "2018). Average drop: confidence lost where only marked places are kept; it favors wide maps whatever "
    "they show (Chattopadhyay et al. 2018). *Middle* and *noise* know nothing of the model: a map that is no "
    "better says little. One photo says little too: `python -m benchmarks.faithfulness` measures many, with "
    "intervals and the pointing game."
)
RANDOM_HELP = (
    "A map that stays the same when the weights below it are random shows the picture, not what was learned "
    "(Adebayo et al. 2018). Attention does not depend on the head, so it cannot change with a random head. "
    "The number is the rank correlation with the map by the trained weights."
)


def show_faithfulness(subject: Subject, choices: Sequence[Choice]) -> None:
    """Figures and curves of each map for one label, and maps by random weights, each on a click."""
    assert subject.garment is not None
    inspectors = models.classifiers(choices)
    label, baseline = _settings(subject, inspectors[0])
    wanted = _identity(subject, choices, label, baseline)
    result = st.session_state.get(RESULT_KEY)
    if result is None or result[0] != wanted:
        # A link to measured figures measures them once; another garment, label or model waits for a click.
        asked = result is None and st.query_params.get(MEASURED) is not None
        place = st.empty()
        clicked = place.button(
            "Measure", type="primary", icon=":material/straighten:", help="Some hundred forward passes."
        )
        if not (clicked or asked):
            remember(**{MEASURED: None})
            st.caption(HELP)
            return
        remember(**{MEASURED: "1"})
        result = (wanted, _measured(subject, choices, inspectors, label, baseline))
        st.session_state[RESULT_KEY] = result
        place.empty()
    _table(result[1])
    _curves(result[1], file_stem(subject, "faithfulness"))
    st.caption(HELP)
    _random(subject, choices[0], inspectors[0], label)
    npz_button(
        lambda: {
            f"{model}_{name}_{kind}": curve.scores
            for (model, name), each in result[1].items()
            for kind, curve in (("deletion", each.deletion), ("insertion", each.insertion))
        },
        file_stem(subject, "faithfulness"),
        "attention-npz-faithfulness",
    )


Result = Mapping[tuple[str, str], "Faithfulness"]


def _settings(subject: Subject, inspector: ClassifierInspector) -> tuple[str, str]:
    """The label whose probability is followed, and what stands where pixels are taken away."""
    assert subject.garment is not None
    labels = list(inspector.labels)
    own = subject.garment.best_label if subject.garment.best_label in labels else labels[0]
    begin("label", labels, own)
    begin("baseline", ("blur", "mean"), "blur")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        label = st.selectbox("Label", labels, key=key_of("label"))
    with right:
        baseline = st.segmented_control(
            "In the place of what is taken away",
            ["blur", "mean"],
            format_func={"blur": "The crop, blurred", "mean": "Its mean color"}.__getitem__,
            key=key_of("baseline"),
            required=True,
        )
    remember(label=label, baseline=None if baseline == "blur" else baseline)
    return label, baseline or "blur"


def _identity(subject: Subject, choices: Sequence[Choice], *settings: str) -> tuple[object, ...]:
    assert subject.garment is not None
    paths = tuple(str(choice.path) for choice in choices)
    return (subject.photo.digest, subject.garment.box_xyxy, paths, *settings)


def _maps(
    subject: Subject, choice: Choice, inspector: ClassifierInspector, label: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Every map by its title, and two that know nothing of the model."""
    assert subject.garment is not None
    with IMPORTS:
        from core.inference.attribution import LIBRARY_METHODS, METHODS, SLOW_METHOD
        from core.models.library_cams import is_installed
    for name, title in METHODS.items():
        if name in LIBRARY_METHODS and (name in ("grad_cam", SLOW_METHOD) or not is_installed()):
            continue
        values = models.cached_map(choice, inspector, subject.photo, subject.garment.box_xyxy, name, label)
        yield title, values
    rows, columns = np.mgrid[-3:4, -3:4]
    yield MIDDLE, np.exp(-(rows**2 + columns**2) / 8.0)
    yield NOISE, np.random.default_rng(0).random((7, 7))


def _measured(
    subject: Subject,
    choices: Sequence[Choice],
    inspectors: Sequence[ClassifierInspector],
    label: str,
    baseline: str,
) -> Result:
    assert subject.garment is not None
    with IMPORTS:
        from core.evaluation.faithfulness import faithfulness
    found: dict[tuple[str, str], Faithfulness] = {}
    bar = st.progress(0.0, text="Measuring…")
    for number, (choice, inspector) in enumerate(zip(choices, inspectors, strict=True)):
        score = inspector.confidence(label)
        picture = np.asarray(inspector.crop(subject.photo, subject.garment.box_xyxy), dtype=np.float32)
        maps = list(_maps(subject, choice, inspector, label))
        for place, (title, values) in enumerate(maps):
            bar.progress((number + place / len(maps)) / len(choices), text=f"{choice.title}: {title}")
            found[choice.title, title] = faithfulness(score, picture, values, baseline=baseline)
    bar.empty()
    return found


def _table(found: Result) -> None:
    several = len({model for model, _ in found}) > 1
    rows = [
        ({"Model": model} if several else {})
        | {
            "Map": title,
            "Deletion (low is good)": each.deletion.area,
            "Insertion (high is good)": each.insertion.area,
            "Drop (low is good)": each.drop,
            "Confidence rose": each.increased,
        }
        for (model, title), each in found.items()
    ]
    formats = {name: st.column_config.NumberColumn(format="%.3f") for name in rows[0] if "is good" in name}
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=formats)


def _curves(found: Result, name: str) -> None:
    """Deletion and insertion side by side; a map has one color, a second model's curves are dashed.
    ``name`` is that of a downloaded chart, without its kind.
    """
    titles = list(dict.fromkeys(title for _, title in found))
    names = list(dict.fromkeys(model for model, _ in found))
    for column, kind in zip(st.columns(2), ("deletion", "insertion"), strict=True):
        chart = go.Figure()
        for (model, title), each in found.items():
            curve = each.deletion if kind == "deletion" else each.insertion
            control = CONTROL_DASHES.get(title)
            chart.add_scatter(
                x=curve.shares,
                y=curve.scores,
                name=title if len(names) == 1 else f"{title}, {model}",
                mode="lines",
                line={
                    "color": CONTROL_COLOR if control else qualitative.Safe[titles.index(title)],
                    "dash": control or ("solid" if model == names[0] else "dash"),
                },
            )
        chart.update_layout(
            title=f"{kind.capitalize()}",
            xaxis_title="share of pixels " + ("taken away" if kind == "deletion" else "put in"),
            yaxis_title="confidence",
            yaxis_range=[0, 1.02],
            xaxis_tickformat=".0%",
            height=440,
            margin={"l": 10, "r": 10, "t": 40, "b": 10},
            legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
        )
        column.plotly_chart(chart, key=f"attention-{kind}", config=downloadable(f"{name}-{kind}"))


def _random(subject: Subject, choice: Choice, inspector: ClassifierInspector, label: str) -> None:
    """Maps by trained weights beside those by random ones, on a click."""
    st.subheader("Sanity check: random weights")
    wanted = _identity(subject, [choice], label)
    if st.session_state.get(RANDOM_KEY, (None,))[0] != wanted:
        if not st.button("Compare with random weights", icon=":material/casino:"):
            st.caption(RANDOM_HELP)
            return
        with st.spinner("Drawing random weights…"):
            st.session_state[RANDOM_KEY] = (wanted, _random_maps(subject, inspector, label))
        st.rerun(scope="fragment")
    maps = st.session_state[RANDOM_KEY][1]
    with IMPORTS:
        from core.evaluation.faithfulness import rank_correlation
        from core.inference.attribution import METHODS
    sections = []
    for name, by_weights in maps.items():
        signed = name == "class_activation"
        trained = by_weights["trained"]
        panels = [
            Panel(
                "Trained" if part == "trained" else
                f"{RANDOM_TITLES[part]}: {rank_correlation(trained, values):+.2f}",
                values,
                scale_of([values], signed=signed, unit="its own scale"),
            )
            for part, values in by_weights.items()
        ]  # fmt: skip
        sections.append(Section(METHODS[name], panels))
    show_figure(
        "attention-random-maps",
        picture_of(subject),
        sections,
        title=f"Random weights: {subject.title}",
        note=f"Classifier: {named([choice])}. Label {label}. Cascading randomization, seed 0.",
        name=file_stem(subject, "random-weights"),
        identity=f"{subject.photo.digest}/{label}",
    )
    st.caption(literal(RANDOM_HELP))


def _random_maps(
    subject: Subject, inspector: ClassifierInspector, label: str
) -> dict[str, dict[str, np.ndarray]]:
    assert subject.garment is not None
    picture = inspector.crop(subject.photo, subject.garment.box_xyxy)
    weights = {"trained": inspector} | {part: inspector.randomized(part) for part in RANDOM_TITLES}
    return {
        name: {part: each.map_of(name, picture, label) for part, each in weights.items()} for name in CHECKED
    }
