"""The part of the demo's page that looks into one garment: a point's heads, two labels, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.demo import attribution
from app.demo.api import MODELS, sentences
from app.demo.attribution import GARMENT_MAPS, InspectedGarment, Inspectors
from app.demo.theme import HIDDEN
from app.demo.view import Shown
from core.errors import LapelError

STATE_SECONDS = 1800
Updates = dict[Any, Any]

OPEN = "Look into this garment"
LOADING = "The networks load in PyTorch for this: some seconds, once."
POINT_HELP = (
    """Click on the garment: the maps show what each of the classifier's heads attends to from there."""
)
LABELS_HELP = """Where the classifier sees a label (brown), and what speaks against it (blue).
Percentages here are the classifier's alone; above, both models decided together."""
SLIDER_HELP = (
    """Move the line: the garment and a map over it, or what SimAM makes of the detector's features."""
)


class AttributionSection:
    """The section's components and their event handlers; closed until somebody asks for it."""

    def __init__(self, inspectors: Inspectors) -> None:
        self.inspectors = inspectors
        self.inspected = gr.State(None, time_to_live=STATE_SECONDS)
        self.open = gr.Button(OPEN, elem_id="inspect")
        self.note = gr.Markdown(elem_id="inspect-note")
        with gr.Column(elem_classes=[HIDDEN], elem_id="inspect-panel") as self.panel, gr.Tabs():
            with gr.Tab("Heads", render_children=True):
                self._lay_out_heads()
            with gr.Tab("Two labels", render_children=True):
                self._lay_out_labels()
            with gr.Tab("Slider", render_children=True):
                self._lay_out_slider()

    def _lay_out_heads(self) -> None:
        gr.Markdown(POINT_HELP)
        with gr.Row():
            with gr.Column(scale=4, min_width=280):
                self.point = gr.Image(
                    show_label=False, alt_text="The garment, to click on", format="jpeg", height=420,
                    interactive=False, buttons=[], elem_id="point",
                )  # fmt: skip
            with gr.Column(scale=6, min_width=280):
                self.heads = _gallery("heads", columns=3)
                self.heads_bar = _bar("heads-bar")

    def _lay_out_labels(self) -> None:
        gr.Markdown(LABELS_HELP)
        with gr.Row():
            self.label = gr.Dropdown([], label="Label", elem_id="label")
            self.other = gr.Dropdown([], label="Compared with", elem_id="other-label")
        self.compared = _gallery("compared", columns=3)
        self.compared_bar = _bar("compared-bar")

    def _lay_out_slider(self) -> None:
        gr.Markdown(SLIDER_HELP)
        self.choice = gr.Dropdown([], label="Map", filterable=False, elem_id="slider-map")
        self.slider = gr.ImageSlider(
            show_label=False, interactive=False, format="jpeg", type="pil", max_height=480, elem_id="slider",
            buttons=["download", "fullscreen"],
        )  # fmt: skip
        self.slider_bar = _bar("slider-bar")

    def wire(self, shown: gr.State, garment: gr.Dropdown) -> None:
        """Connect the components with the page's photo and its chosen garment."""
        models: dict[str, Any] = {
            "concurrency_id": MODELS, "concurrency_limit": 1, "api_visibility": "private",
            "show_progress": "minimal", "trigger_mode": "always_last",
        }  # fmt: skip
        quick = models | {"concurrency_id": "drawing", "concurrency_limit": 4, "show_progress": "hidden"}
        self.open.click(self.begin, [shown, garment], self.outputs, **models)
        garment.change(self.follow, [shown, garment, self.inspected], self.outputs, **models)
        self.point.select(
            self.move, [self.inspected], [self.inspected, self.point, self.heads, self.heads_bar], **quick
        )
        gr.on(
            [self.label.input, self.other.input], self.compare, [self.inspected, self.label, self.other],
            [self.compared, self.compared_bar], **quick,
        )  # fmt: skip
        self.choice.input(
            self.slide, [shown, self.inspected, self.choice], [self.slider, self.slider_bar], **models
        )

    @property
    def outputs(self) -> list[Any]:
        """All that another garment changes."""
        return [
            self.inspected, self.open, self.note, self.panel, self.point, self.heads, self.heads_bar,
            self.label, self.other, self.compared, self.compared_bar, self.choice, self.slider,
            self.slider_bar,
        ]  # fmt: skip

    def closed(self) -> Updates:
        """The section before anybody asked."""
        return {
            self.inspected: None,
            self.open: gr.Button(elem_classes=[]),
            self.note: "",
            self.panel: gr.Column(elem_classes=[HIDDEN]),
        }

    def begin(self, shown: Shown | None, garment: int | None) -> Iterator[Updates]:
        """Open the section for the chosen garment."""
        if not self.inspectors.are_loaded:
            yield {self.note: LOADING}
        yield self._looked_into(shown, garment)

    def follow(self, shown: Shown | None, garment: int | None, inspected: InspectedGarment | None) -> Updates:
        """Another garment was chosen: inspect it where the section is open."""
        if inspected is None or inspected.index == garment:
            return {self.note: gr.skip()}
        return self._looked_into(shown, garment)

    def _looked_into(self, shown: Shown | None, garment: int | None) -> Updates:
        try:
            with sentences(for_page=True):
                inspected = (
                    attribution.inspect(self.inspectors, shown, garment) if shown is not None else None
                )
                if shown is None or inspected is None:
                    return self.closed() | {self.note: "Choose a garment first."}
                return self._all(shown, inspected)
        except gr.Error as error:  # said in place, where it stays
            return self.closed() | {self.note: str(error.message)}

    def _all(self, shown: Shown, inspected: InspectedGarment) -> Updates:
        label, other = attribution.best_labels(inspected, shown)
        labels = list(inspected.inspection.labels)
        choices = [(title, name) for name, title in GARMENT_MAPS.items()]
        try:
            choices += self.inspectors.simam_modules
        except LapelError:  # another detector, which has no SimAM
            choices = list(choices)
        first = choices[0][1]
        return {
            self.inspected: inspected,
            self.open: gr.Button(elem_classes=[HIDDEN]),
            self.note: f"### Garment {inspected.index + 1} inspected",
            self.panel: gr.Column(elem_classes=[]),
            self.label: gr.Dropdown(choices=labels, value=label),
            self.other: gr.Dropdown(choices=labels, value=other),
            self.choice: gr.Dropdown(choices=choices, value=first),
            **self._pointed(inspected),
            **self._compared(inspected, label, other),
            **self._slid(shown, inspected, first),
        }

    def move(self, inspected: InspectedGarment | None, event: gr.SelectData) -> Updates:
        """Another point: the maps of all heads from there."""
        if inspected is None:
            return {self.heads_bar: gr.skip()}
        with sentences(for_page=True):
            moved = inspected.at(event.index)
            return {self.inspected: moved, **self._pointed(moved)}

    def compare(self, inspected: InspectedGarment | None, label: str | None, other: str | None) -> Updates:
        """Other labels, one or two."""
        if inspected is None:
            return {self.compared_bar: gr.skip()}
        with sentences(for_page=True):
            return self._compared(inspected, label, other)

    def slide(self, shown: Shown | None, inspected: InspectedGarment | None, choice: str | None) -> Updates:
        """Another map between the two sides of the slider."""
        if shown is None or inspected is None:
            return {self.slider_bar: gr.skip()}
        with sentences(for_page=True):
            return self._slid(shown, inspected, choice)

    def _pointed(self, inspected: InspectedGarment) -> Updates:
        figures, bar = attribution.heads(inspected)
        return {self.point: attribution.pointed(inspected), self.heads: figures, self.heads_bar: bar.html()}

    def _compared(self, inspected: InspectedGarment, label: str | None, other: str | None) -> Updates:
        figures, bar = attribution.compared(inspected, label, other)
        return {self.compared: figures, self.compared_bar: bar.html()}

    def _slid(self, shown: Shown, inspected: InspectedGarment, choice: str | None) -> Updates:
        pictures, bar = attribution.compared_pictures(self.inspectors, shown, inspected, choice)
        return {self.slider: pictures, self.slider_bar: bar.html()}


def _bar(elem_id: str) -> gr.Markdown:
    # Gradio's component for HTML evaluates strings as code, which the pages' security policy forbids.
    return gr.Markdown(sanitize_html=False, elem_id=elem_id)


def _gallery(elem_id: str, columns: int) -> gr.Gallery:
    return gr.Gallery(
        show_label=False, columns=columns, height="auto", object_fit="contain", format="jpeg",
        interactive=False, buttons=["download", "fullscreen"], elem_id=elem_id,
    )  # fmt: skip
