"""Views of the classifier: heads from a point, class activation of labels, each for one or two models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app.attention import models
from app.attention.figure import (
    Panel,
    Picture,
    Pointed,
    PointModel,
    Section,
    npz_button,
    point_of,
    scale_of,
    show_figure,
    span_of,
)
from app.attention.link import asked_numbers, begin, key_of, remember
from app.attention.models import Choice
from app.attention.subject import Subject
from app.text import literal
from core.file_names import portable_stem
from core.images.crops import crop_garment
from core.threads import IMPORTS

if TYPE_CHECKING:
    from core.inference.attribution import ClassifierInspector, GarmentInspection

HEADS_KEY, ACTIVATION_KEY = "attention-heads", "attention-activation"
FACTORS = ("1", "2", "4")
HEADS_HELP = (
    "Point at the crop, or move the point with the arrow keys: the maps show what each head attends to from "
    "there. The attention's logits are the sum of two terms, content (query · key) and relative position "
    "(query · encoding of the offset). *Content alone* and *Position alone* are the softmax of one term; the "
    "attention is the softmax of their sum, not the sum of the two maps."
)
FINER_HELP = (
    "The network attends among few places, 7 × 7 of a crop of 224 pixels. The finer map is a reconstruction: "
    "the attention is rolled out (Abnar and Zuidema 2020) through the convolutions below it, whose shares "
    "are measured by gradient × activation, the effective receptive field in this picture (Luo et al. 2016). "
    "The 3 × 3 convolution beside the attention (824 of 1,024 channels) is not in it."
)
ACTIVATION_HELP = (
    "Class activation is signed: brown speaks for a label, blue against it, and a label's logit is the mean "
    "of its map plus a constant. A usual Grad-CAM shows only what is above zero; for labels far down the "
    "list that is often nothing at all."
)
LIBRARY_TITLES = {
    "grad_cam": "Grad-CAM",
    "grad_cam_pp": "Grad-CAM++",
    "layer_cam": "Layer-CAM, finer",
    "score_cam": "Score-CAM",
}


def picture_of(subject: Subject) -> Picture:
    """The garment's crop, in its own shape; the network sees it as a square."""
    assert subject.garment is not None
    crop = crop_garment(subject.photo.image, subject.garment.box_xyxy)
    alt = f"The crop of {subject.title}"
    return Picture(crop, crop.width / crop.height, alt)


def file_stem(subject: Subject, view: str) -> str:
    """A download's name without ending."""
    number = "" if subject.number is None else f"-{subject.number + 1}"
    return f"{portable_stem(subject.photo.name)}{number}-{view}"


def named(choices: Sequence[Choice]) -> str:
    """The models' names, for titles."""
    return " and ".join(choice.title for choice in choices)


def show_heads(subject: Subject, choices: Sequence[Choice]) -> None:
    """What each head attends to from a point, content and relative position apart."""
    assert subject.garment is not None
    inspectors = models.classifiers(choices)
    box = subject.garment.box_xyxy
    found = [
        models.inspected(choice, inspector, subject.photo, box)
        for choice, inspector in zip(choices, inspectors, strict=True)
    ]
    size = inspectors[0].size
    begin("finer", FACTORS, "1")
    factor = st.segmented_control(
        "Resolution",
        FACTORS,
        format_func=lambda factor: f"{size * int(factor)} × {size * int(factor)}",
        key=key_of("finer"),
        required=True,
        help=FINER_HELP,
    )
    finer = 0 if factor in (None, "1") else int(factor)
    remember(finer=str(finer) if finer else None)
    shares = [
        models.cached_map(choice, inspector, subject.photo, box, f"shares{finer}", "") if finer else None
        for choice, inspector in zip(choices, inspectors, strict=True)
    ]
    row, column = _point(size)
    pointed = Pointed(
        row, column, size,
        [
            PointModel(choice.title, each.content, each.position, share)
            for choice, each, share in zip(choices, found, shares, strict=True)
        ],
        finer * size,
    )  # fmt: skip
    show_figure(
        HEADS_KEY,
        picture_of(subject),
        pointed=pointed,
        title=f"Attention from a point: {subject.title}",
        note=_heads_note(choices, size, finer * size),
        name=file_stem(subject, "heads"),
        identity=f"{subject.photo.digest}/{box}",
        on_point=_moved,
    )
    st.caption(HEADS_HELP)
    if finer:
        st.caption(FINER_HELP)
    npz_button(lambda: _heads_arrays(found, shares), file_stem(subject, "heads"), "attention-npz-heads")


def _point(size: int) -> tuple[int, int]:
    asked = asked_numbers("at", 2)
    if asked is None or max(asked) >= size:
        return size // 2, size // 2
    return asked[0], asked[1]


def _moved() -> None:
    point = point_of(HEADS_KEY)
    if point is not None:
        remember(at=f"{point[0]},{point[1]}")


def _heads_note(choices: Sequence[Choice], size: int, finer: int) -> str:
    rolled = f", rolled out to {finer} x {finer} (a reconstruction)" if finer else ""
    return f"Classifier: {named(choices)}; 8 heads over {size} x {size} places{rolled}."


def _heads_arrays(
    found: Sequence[GarmentInspection], shares: Sequence[np.ndarray | None]
) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for number, (each, share) in enumerate(zip(found, shares, strict=True), start=1):
        arrays |= {
            f"content_logits_{number}": each.content,
            f"position_logits_{number}": each.position,
            f"attention_{number}": each.attention,
        }
        if share is not None:
            arrays[f"shares_{number}"] = share
    return arrays


def show_activation(subject: Subject, choices: Sequence[Choice]) -> None:
    """Class activation of two labels and their difference, signed; other methods beside it."""
    assert subject.garment is not None
    inspectors = models.classifiers(choices)
    box = subject.garment.box_xyxy
    found = [
        models.inspected(choice, inspector, subject.photo, box)
        for choice, inspector in zip(choices, inspectors, strict=True)
    ]
    one, two = _labels(subject, found[0])
    sections = _activation_sections(choices, found, (one, two))
    library = _library_sections(subject, choices[0], inspectors[0], found[0], one)
    show_figure(
        ACTIVATION_KEY,
        picture_of(subject),
        [*sections, *library],
        title=f"Class activation: {subject.title}",
        note=f"Classifier: {named(choices)}. Signed: what is below zero speaks against the label.",
        name=file_stem(subject, "class-activation"),
        identity=f"{subject.photo.digest}/{box}",
    )
    st.caption(ACTIVATION_HELP)
    if library:
        _score_cam(subject, choices[0], one)
    npz_button(
        lambda: {
            f"{name}_{number}": values
            for number, each in enumerate(found, start=1)
            for name, values in (
                ("class_activation", each.activations), ("logits", each.logits),
                ("constants", each.constants), ("labels", np.array(each.labels)),
            )
        } | {f"library_{panel.title}": panel.values for section in library for panel in section.panels},
        file_stem(subject, "class-activation"),
        "attention-npz-activation",
    )  # fmt: skip


def _labels(subject: Subject, found: GarmentInspection) -> tuple[str, str]:
    """The two labels to compare: the garment's and the likeliest other, until another is chosen."""
    assert subject.garment is not None
    ranked = [found.labels[index] for index in np.argsort(-found.probabilities)]
    own = subject.garment.best_label if subject.garment.best_label in found.labels else ranked[0]
    others = [label for label in ranked if label != own]
    shown = {
        label: f"{label} · {found.probabilities[found.labels.index(label)]:.1%}" for label in [own, *others]
    }
    # Another garment begins with its own labels, but for what the address asks for at first.
    identity = f"{subject.photo.digest}/{subject.garment.box_xyxy}"
    if st.session_state.get("attention-labels-of") not in (None, identity):
        for name in ("label", "other"):
            st.session_state.pop(key_of(name), None)
        remember(label=None, other=None)
    st.session_state["attention-labels-of"] = identity
    begin("label", shown, own)
    begin("other", shown, others[0])
    left, right = st.columns(2)
    with left:
        one = st.selectbox("Label", list(shown), format_func=shown.__getitem__, key=key_of("label"))
    with right:
        two = st.selectbox("Other label", list(shown), format_func=shown.__getitem__, key=key_of("other"))
    remember(label=one, other=two)
    return one, two


def _activation_sections(
    choices: Sequence[Choice], found: Sequence[GarmentInspection], labels: tuple[str, str]
) -> list[Section]:
    """Both labels and their difference of each model in one scale; of two models their differences too."""
    maps = [[each.activations[each.index_of(label)] for label in labels] for each in found]
    differences = [one - two for one, two in maps]
    scale = scale_of([values for both in (*maps, differences) for values in both], signed=True, unit="logit")
    sections = []
    for choice, each, both, change in zip(choices, found, maps, differences, strict=True):
        panels = [
            Panel(
                f"{label}: {each.probabilities[each.index_of(label)]:.1%}, "
                f"logit {each.logits[each.index_of(label)]:.2f}",
                values,
                scale,
            )
            for label, values in zip(labels, both, strict=True)
        ]
        panels.append(Panel(f"{labels[0]} minus {labels[1]}", change, scale))
        sections.append(Section(f"Class activation, signed: {choice.title}", panels))
    if len(maps) > 1:
        changes = [after - before for before, after in zip(*maps, strict=True)]
        named_changes = [*zip(labels, changes, strict=True)]
        named_changes.append((f"{labels[0]} minus {labels[1]}", differences[1] - differences[0]))
        panels = [Panel(f"{name}: {span_of(change)}", change, scale) for name, change in named_changes]
        sections.append(Section(f"{choices[1].title} minus {choices[0].title}", panels))
    return sections


def _library_sections(
    subject: Subject,
    choice: Choice,
    inspector: ClassifierInspector,
    found: GarmentInspection,
    label: str,
) -> list[Section]:
    """The same label by TorchCAM's methods, each in its own scale; none where it is not installed."""
    assert subject.garment is not None
    with IMPORTS:
        from core.models.library_cams import SLOW, is_installed
    if not is_installed():
        st.caption(
            "Grad-CAM++, Layer-CAM and Score-CAM are shown where TorchCAM is installed: make torchcam."
        )
        return []
    box, panels = subject.garment.box_xyxy, []
    wanted = st.session_state.get("attention-score-cam")
    for method, title in LIBRARY_TITLES.items():
        if method == SLOW and wanted != _score_cam_key(subject, choice, label):
            continue
        if method == SLOW:
            with st.spinner("Score-CAM: 1,024 forward passes…"):
                values = models.cached_map(choice, inspector, subject.photo, box, method, label)
        else:
            values = models.cached_map(choice, inspector, subject.photo, box, method, label)
        panels.append(Panel(title, values, scale_of([values], unit="its own scale")))
    return [Section(f"{label} by TorchCAM, behind its ReLU, each in its own scale: {choice.title}", panels)]


def _score_cam_key(subject: Subject, choice: Choice, label: str) -> str:
    return f"{subject.photo.digest}/{subject.number}/{choice.path}/{label}"


def _score_cam(subject: Subject, choice: Choice, label: str) -> None:
    key = _score_cam_key(subject, choice, label)
    if st.session_state.get("attention-score-cam") != key:
        st.button(
            f"Add Score-CAM of {literal(label)}",
            icon=":material/hourglass:",
            on_click=st.session_state.__setitem__,
            args=("attention-score-cam", key),
            help="1,024 forward passes: half a minute or more on two cores.",
        )
