"""Views of the detector: SimAM in every GS module, and why it sees a box; each for one or two models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.attention import models
from app.attention.figure import Panel, Picture, Scale, Section, npz_button, scale_of, show_figure, span_of
from app.attention.garment_views import file_stem, named
from app.attention.link import begin, key_of, remember
from app.attention.models import Choice
from app.attention.subject import Subject
from app.components.charts import COLORS, downloadable
from core.garments import Box
from core.images.decode import Photo

if TYPE_CHECKING:
    from core.inference.attribution import BoxInspection, DetectorInspector, SimAMModule

MOST_SHOWN = 3.0
"""The inverse energy to which the histogram goes; the table says how many neurons lie above."""

LEAST, LEAST_WEIGHT = 0.5, 0.6225
"""The least inverse energy, and its sigmoid."""

SIMAM_KEY, WHY_KEY = "attention-simam", "attention-why"
SIMAM_TITLES = {
    "before": "Before SimAM",
    "inverse_energy": "Inverse energy",
    "weights": "Weight",
    "after": "After SimAM",
    "output": "The module's output",
}
SIMAM_HELP = (
    "SimAM (Yang et al. 2021) gives each neuron an energy e*: the lower, the more it stands out of its "
    "channel. Its weight is the sigmoid of 1 / e*, which is 0.5 at least, so weights lie between 0.62 and 1: "
    "SimAM lifts what stands out and switches nothing off. Maps are means over channels, of magnitudes "
    "before and after; the module's output is what comes out of SimAM plus what entered the module."
)
WHY_HELP = (
    "Which places the score of this box comes from: the gradient of its logarithm × activation, summed over "
    "the channels of a stage's output, signed (HiResCAM; for detectors ODAM without its ReLU). Each stage "
    "shows what enters the neck from it. Brown raises the score, blue lowers it."
)


def picture_of(subject: Subject, marks: Sequence[Box] = ()) -> Picture:
    """The whole photo with boxes, given in its pixels."""
    photo = subject.photo
    shares = [
        (box[0] / photo.width, box[1] / photo.height, box[2] / photo.width, box[3] / photo.height)
        for box in marks
    ]
    return Picture(photo.image, photo.width / photo.height, f"The photo {photo.name}", shares)


def show_simam(subject: Subject, choices: Sequence[Choice]) -> None:
    """The weights of every GS module; one module before and after, with the distribution of its energy."""
    found = [
        _simam(inspector, subject.photo, str(choice.path), subject.photo.digest)
        for choice, inspector in zip(choices, models.detectors(choices), strict=True)
    ]
    if not found[0]:
        st.info(f"{choices[0].title} has no GS modules, and so no SimAM: it is a plain YOLOv4.")
        return
    titles = {module.name: f"Stage {module.stage}, module {module.module}" for module in found[0]}
    begin("module", titles, list(titles)[-1])
    name = st.selectbox("GS module", list(titles), format_func=titles.__getitem__, key=key_of("module"))
    remember(module=name)
    chosen = [next((module for module in each if module.name == name), None) for each in found]
    show_figure(
        SIMAM_KEY,
        picture_of(subject),
        [*_module_sections(choices, chosen, titles[name]), *_stage_sections(choices, found)],
        title=f"SimAM: {subject.photo.name}",
        note=f"Detector: {named(choices)}. Means over channels.",
        name=file_stem(subject, "simam"),
        identity=f"{subject.photo.digest}/{name}",
    )
    st.caption(SIMAM_HELP)
    _distribution(choices, chosen, titles[name], file_stem(subject, f"energy-{name}"))
    npz_button(
        lambda: {
            f"{module.name}_{kind}_{number}": values
            for number, each in enumerate(found, start=1)
            for module in each
            for kind, values in (*module.maps.items(), ("counts", module.counts), ("edges", module.edges))
        },
        file_stem(subject, "simam"),
        "attention-npz-simam",
    )


@st.cache_resource(max_entries=8, show_spinner="Running the detector…")
def _simam(_inspector: DetectorInspector, _photo: Photo, path: str, digest: str) -> list[SimAMModule]:
    return _inspector.simam(_photo)


def _scale(maps: Sequence[np.ndarray], least: float, unit: str) -> Scale:
    """From the least value that there can be to the highest of these maps."""
    return Scale(least, max(float(values.max()) for values in maps), unit=unit)


def _module_sections(
    choices: Sequence[Choice], modules: Sequence[SimAMModule | None], title: str
) -> list[Section]:
    """Before, energy, weight, after and output of one module; magnitudes before and after in one scale."""
    there = [(choice, module) for choice, module in zip(choices, modules, strict=True) if module is not None]
    scales = {
        "inverse_energy": _scale([module.maps["inverse_energy"] for _, module in there], LEAST, "1 / e*"),
        "weights": _scale([module.maps["weights"] for _, module in there], LEAST_WEIGHT, "weight"),
    }
    both = scale_of(
        [module.maps[kind] for _, module in there for kind in ("before", "after", "output")], unit="|x|"
    )
    sections = [
        Section(
            f"{title}: {choice.title}",
            [
                Panel(words, module.maps[kind], scales.get(kind, both), module.extent)
                for kind, words in SIMAM_TITLES.items()
            ],
        )
        for choice, module in there
    ]
    if len(there) == 2:
        (_, one), (_, two) = there
        if all(one.maps[kind].shape == two.maps[kind].shape for kind in SIMAM_TITLES):
            changes = {kind: two.maps[kind] - one.maps[kind] for kind in SIMAM_TITLES}
            same = ("before", "after", "output")
            common = scale_of([changes[kind] for kind in same], signed=True, unit="|x|")
            panels = [
                Panel(
                    f"{words}: {span_of(changes[kind])}",
                    changes[kind],
                    common if kind in same else scale_of([changes[kind]], signed=True),
                    one.extent,
                )
                for kind, words in SIMAM_TITLES.items()
            ]
            sections.append(Section(f"{title}: {choices[1].title} minus {choices[0].title}", panels))
    return sections


def _stage_sections(choices: Sequence[Choice], found: Sequence[Sequence[SimAMModule]]) -> list[Section]:
    """The weights of all modules in one scale."""
    weights = [module.maps["weights"] for each in found for module in each]
    scale = _scale(weights, LEAST_WEIGHT, "weight")
    return [
        Section(
            f"Weights, stage by stage: {choice.title}",
            [
                Panel(
                    f"{module.stage}.{module.module}: mean {module.mean_weight:.3f}",
                    module.maps["weights"],
                    scale,
                    module.extent,
                )
                for module in each
            ],
        )
        for choice, each in zip(choices, found, strict=True)
    ]


def _distribution(
    choices: Sequence[Choice], modules: Sequence[SimAMModule | None], title: str, name: str
) -> None:
    """A histogram of the inverse energy of all neurons of one module, which downloads as ``name``.png."""
    chart = go.Figure()
    for choice, module, color in zip(choices, modules, COLORS[: len(choices)], strict=True):
        if module is None:
            continue
        shown = module.edges[1:] <= MOST_SHOWN
        middles = [(low + high) / 2 for low, high in pairwise(module.edges)]
        shares = module.counts / module.counts.sum()
        bars = {"x": np.array(middles)[shown], "y": shares[shown], "marker_color": color}
        chart.add_bar(**bars, name=choice.title)
    chart.update_layout(
        title=f"Inverse energy of all neurons: {title}",
        xaxis_title=f"1 / e* up to {MOST_SHOWN:g}",
        yaxis_title="share of neurons",
        yaxis_tickformat=".0%",
        height=320,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        showlegend=len(choices) > 1,
    )
    st.plotly_chart(chart, key="attention-energy", config=downloadable(name))
    rows = [
        {
            "model": choice.title,
            "mean weight": round(module.mean_weight, 4),
            f"neurons with 1 / e* above {MOST_SHOWN:g}": f"{_share_above(module, MOST_SHOWN):.1%}",
        }
        for choice, module in zip(choices, modules, strict=True)
        if module is not None
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="content")


def _share_above(module: SimAMModule, energy: float) -> float:
    return float(module.counts[module.edges[:-1] >= energy].sum() / module.counts.sum())


def show_box_attribution(subject: Subject, choices: Sequence[Choice]) -> None:
    """Why the detector sees the garment's box: its score's gradient × activation at three stages."""
    assert subject.garment is not None
    garment, photo = subject.garment, subject.photo
    found = [
        _why(inspector, photo, str(choice.path), photo.digest, garment.box_xyxy, garment.category)
        for choice, inspector in zip(choices, models.detectors(choices), strict=True)
    ]
    show_figure(
        WHY_KEY,
        picture_of(subject, [garment.box_xyxy]),
        _why_sections(choices, found),
        title=f"Why this box: {subject.photo.name}, {garment.category}",
        note=f"Detector: {named(choices)}. Gradient of log(score) x activation, signed.",
        name=file_stem(subject, "why"),
        identity=f"{subject.photo.digest}/{garment.box_xyxy}",
        first=int(np.argmax([np.abs(values).max() for values in found[0].maps.values()])),
    )
    st.caption(WHY_HELP)
    npz_button(
        lambda: {
            f"stride{stride}_{number}": values
            for number, each in enumerate(found, start=1)
            for stride, values in each.maps.items()
        } | {f"box_{number}": np.array(each.box_xyxy) for number, each in enumerate(found, start=1)},
        file_stem(subject, "why"),
        "attention-npz-why",
    )  # fmt: skip


@st.cache_resource(max_entries=16, show_spinner="Running the detector…")
def _why(
    _inspector: DetectorInspector, _photo: Photo, path: str, digest: str, box: Box, category: str
) -> BoxInspection:
    return _inspector.why(_photo, box, category)


def _why_sections(choices: Sequence[Choice], found: Sequence[BoxInspection]) -> list[Section]:
    """Each model's stages in one scale, and the difference of two where their maps are of one size."""
    scale = scale_of(
        [values for each in found for values in each.maps.values()], signed=True, unit="log(score)"
    )
    sections = [
        Section(
            f"Score {each.score:.2f} before calibration: {choice.title}",
            [
                Panel(f"Stride {stride}: sum {values.sum():+.2f}", values, scale, each.extents[stride])
                for stride, values in each.maps.items()
            ],
        )
        for choice, each in zip(choices, found, strict=True)
    ]
    if len(found) == 2 and all(found[0].maps[s].shape == found[1].maps[s].shape for s in found[0].maps):
        changes = {stride: found[1].maps[stride] - values for stride, values in found[0].maps.items()}
        sections.append(
            Section(
                f"{choices[1].title} minus {choices[0].title}",
                [
                    Panel(f"Stride {stride}: {span_of(change)}", change, scale, found[0].extents[stride])
                    for stride, change in changes.items()
                ],
            )
        )
    return sections
