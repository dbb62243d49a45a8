"""The demo's page: a photo on the left, its garments on the right, labels and maps below."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.demo import view
from app.demo.api import MODELS, in_range, sentences, taken_photo
from app.demo.attribution import Inspectors
from app.demo.attribution_section import AttributionSection
from app.demo.theme import HIDDEN
from app.demo.view import Explain, Shown
from app.preview.samples import PHOTO_ENDINGS
from core.errors import PhotoError
from core.images.decode import Photo

if TYPE_CHECKING:
    from core.inference.labeler import PhotoLabeler

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
SAMPLES_SHOWN = 5  # one row of thumbnails
STATE_SECONDS = 1800
NOT_SHOWN_BY_BROWSERS = (".heic", ".heif", ".hif", ".avif", ".tif", ".tiff")
"""Photos that the place of the photo refuses: a browser that shows none of a kind calls them no picture."""

Updates = dict[Any, Any]

HEAD = """# Lapel
Drop a photo of clothes: Lapel finds the garments, names them, and shows where it looked."""
PRIVACY = """<small>Location and other hidden data are taken off a photo at once; the photo itself is gone
from this server within the hour.</small>"""
WAITING = "The garments found appear here."
ATTENTION = """### Attention
Bright areas contributed most: to the classifier's label of the selected garment, and to the detector."""
TABLE_HEAD = ["#", "Category", "Score", "1st", "2nd", "3rd", "4th", "5th"]
LOADING = """The models are loading. Choose a photo already: it is labeled as soon as they are there."""


@dataclass(frozen=True)
class Examples:
    """Photos to try with a click, and the words above them."""

    title: str
    files: tuple[str, ...]


def examples_of(folder: Path, title: str) -> Examples:
    """Some of a folder's photos by name, spread over all of them: one row."""
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in PHOTO_ENDINGS)
    spread = files[:: max(1, len(files) // SAMPLES_SHOWN)]
    return Examples(title, tuple(str(path) for path in spread[:SAMPLES_SHOWN]))


def add_navigation() -> None:
    """The bar of pages; the live camera's is not one of Gradio's."""
    gr.Navbar([("Live camera", "live")], main_page_name="Photo")


def add_page(
    demo: gr.Blocks,
    labeler: PhotoLabeler,
    explain: Explain,
    examples: Examples | None = None,
    loading: Future[Any] | None = None,
) -> None:
    """Add the page to the Blocks that is being built, and connect it to the models.

    ``examples`` are the drawn samples by default; ``loading`` ends when the models are there.
    """
    page = Page(labeler, explain, examples or examples_of(SAMPLES, "Or try a drawn one"), loading)
    page.wire()
    if loading is not None:
        page.tell_of_loading(demo)


class Page:
    """The page's components and their event handlers."""

    def __init__(
        self, labeler: PhotoLabeler, explain: Explain, examples: Examples, loading: Future[Any] | None = None
    ) -> None:
        self.labeler = labeler
        self.explain = explain
        self.examples = examples
        self.models_loading = loading
        self.shown = gr.State(None, time_to_live=STATE_SECONDS)
        gr.Markdown(HEAD)
        self.loading = gr.Markdown(LOADING, elem_id="loading", elem_classes=[HIDDEN])
        with gr.Row():
            with gr.Column(scale=4, min_width=280):
                self._lay_out_input()
            with gr.Column(scale=6, min_width=280):
                self.summary = gr.Markdown(WAITING, elem_id="summary")
                self.annotated = _picture("annotated", "The photo with the garments found", height=480)
                self.threshold = gr.Slider(
                    view.lowest_threshold(labeler), 0.95, value=labeler.default_threshold, step=0.01,
                    label="Lowest score of a garment", info="Boxes come and go at once.", elem_id="threshold",
                )  # fmt: skip
        with gr.Column(elem_classes=[HIDDEN]) as self.results:
            gr.Markdown(ATTENTION)
            self._lay_out_reasons()
            self.closer = AttributionSection(Inspectors())
            self.table = gr.Dataframe(
                headers=TABLE_HEAD, datatype="str", label="All garments and their five best labels",
                interactive=False, buttons=["copy", "fullscreen"], elem_id="table",
            )  # fmt: skip
        gr.Markdown(PRIVACY)

    def _lay_out_input(self) -> None:
        self.photo = gr.Image(
            label="Photo",
            type="filepath",
            sources=["upload", "webcam", "clipboard"],
            height=400,
            elem_id="photo",
        )
        self.other = gr.UploadButton(
            "HEIC, AVIF or TIFF", file_types=list(NOT_SHOWN_BY_BROWSERS), size="sm", elem_id="other-kind"
        )
        if self.examples.files:
            gr.Examples(
                [[file] for file in self.examples.files],
                inputs=[self.photo],
                label=self.examples.title,
                cache_examples=False,
            )

    def _lay_out_reasons(self) -> None:
        with gr.Row():
            with gr.Column(min_width=280):
                self.garment = gr.Dropdown([], label="Garment", filterable=False, elem_id="garment")
                self.top5 = gr.Label(label="Its five best labels", num_top_classes=5, elem_id="top5")
            with gr.Column(min_width=280):
                self.map_name = gr.Dropdown(
                    [], label="Classifier's map", filterable=False, elem_id="map-name"
                )
                self.classifier_map = _picture(
                    "classifier-map", "The garment under the classifier's map", height=400
                )
            with gr.Column(min_width=280):
                self.stage = gr.Dropdown(
                    [], label="Detector's attention (SimAM)", filterable=False, elem_id="stage"
                )
                self.detector_map = _picture(
                    "detector-map", "The photo under the detector's attention", height=400
                )
        self.opacity = gr.Slider(
            0.0, 1.0, value=0.5, step=0.05, label="Opacity of the maps", elem_id="opacity"
        )

    def wire(self) -> None:
        """Connect the components: a new photo needs the models, all else is drawn from the session."""
        labels = [self.annotated, self.summary, self.garment, self.top5, self.table]
        maps = [self.map_name, self.stage, self.classifier_map, self.detector_map]
        self.photo.change(
            self.take, [self.photo, self.threshold, self.opacity],
            [self.photo, self.shown, self.results, *labels, *maps, *self.closer.outputs],
            preprocess=False, concurrency_id=MODELS, concurrency_limit=1,
            api_visibility="private", show_progress_on=[self.annotated], trigger_mode="always_last",
        )  # fmt: skip
        self.other.upload(
            self.convert, [self.other], [self.photo],
            preprocess=False, api_visibility="private", show_progress="hidden",
        )  # fmt: skip
        quick: dict[str, Any] = {
            "concurrency_id": "drawing", "concurrency_limit": 4, "api_visibility": "private",
            "show_progress": "hidden", "trigger_mode": "always_last",
        }  # fmt: skip
        overlay_inputs = [self.map_name, self.stage, self.opacity]
        self.threshold.input(
            self.filter, [self.shown, self.threshold, self.garment, self.map_name, self.opacity],
            [*labels, self.classifier_map], **quick,
        )  # fmt: skip
        self.garment.input(
            self.choose, [self.shown, self.garment, self.map_name, self.opacity],
            [self.top5, self.classifier_map], **quick,
        )  # fmt: skip
        gr.on(
            [self.map_name.input, self.stage.input, self.opacity.input], self.overlay,
            [self.shown, self.garment, *overlay_inputs], [self.classifier_map, self.detector_map], **quick,
        )  # fmt: skip

        self.closer.wire(self.shown, self.garment)

    def tell_of_loading(self, demo: gr.Blocks) -> None:
        """Show a sentence to who opens the page while the models load, until they are there."""
        direct: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        opened = demo.load(self._loading_now, None, self.loading, **direct)
        opened.then(self._loaded, None, self.loading, **direct)

    def _loading_now(self) -> gr.Markdown:
        return gr.Markdown(elem_classes=[] if self._are_models_loading else [HIDDEN])

    async def _loaded(self) -> gr.Markdown:
        if self.models_loading is not None:
            await asyncio.wait([asyncio.wrap_future(self.models_loading)])
        return gr.Markdown(elem_classes=[HIDDEN])

    @property
    def _are_models_loading(self) -> bool:
        return self.models_loading is not None and not self.models_loading.done()

    def convert(self, file: dict[str, Any]) -> str:
        """Put a photo that browsers do not show into the place of the photo, as a PNG."""
        with sentences(for_page=True), taken_photo(file):
            pass  # the file holds a PNG now
        path = Path(file["path"])
        return str(path.rename(path.with_suffix(".png")))

    def take(self, photo: dict[str, Any] | None, threshold: float, opacity: float) -> Iterator[Updates]:
        """A new photo: its garments as soon as they are known, then its maps."""
        if photo is None:
            yield self._emptied()
            return
        with sentences(for_page=True):
            try:
                shares = in_range(threshold), in_range(opacity)
                with taken_photo(photo) as taken:
                    yield from self._labeled(taken, shares[0] or 0.0, shares[1] or 0.0)
            except PhotoError:
                # The sentence follows as the page's error; the broken picture itself helps nobody.
                yield {self.photo: None, **self._emptied()}
                raise

    def _labeled(self, photo: Photo, threshold: float, opacity: float) -> Iterator[Updates]:
        if self._are_models_loading:
            yield {self.summary: LOADING}
        labeled = self.labeler.label(photo, view.lowest_threshold(self.labeler))
        shown = view.show(photo, labeled)
        first = 0 if shown.above(threshold) else None
        yield {
            self.shown: shown,
            self.results: gr.Column(elem_classes=[]),
            **self._labels(shown, threshold, first),
            **self.closer.closed(),
        }
        shown = shown.explained(self.explain(self.labeler, photo, labeled))
        yield {self.shown: shown, **self._maps(shown, first, opacity)}

    def filter(
        self, shown: Shown | None, threshold: float, garment: int | None, map_name: str | None, opacity: float
    ) -> Updates:
        """Another threshold: boxes come and go; the chosen garment stays chosen while it is there."""
        if shown is None:
            return self._unchanged()
        left = len(shown.above(threshold))
        chosen = garment if garment is not None and garment < left else (0 if left else None)
        picture = view.classifier_map(shown, chosen, map_name, opacity)
        return {**self._labels(shown, threshold, chosen), self.classifier_map: picture}

    def choose(
        self, shown: Shown | None, garment: int | None, map_name: str | None, opacity: float
    ) -> Updates:
        """Another garment: its labels and its map."""
        if shown is None:
            return self._unchanged()
        picture = view.classifier_map(shown, garment, map_name, opacity)
        return {self.top5: view.top5(shown, garment), self.classifier_map: picture}

    def overlay(
        self,
        shown: Shown | None,
        garment: int | None,
        map_name: str | None,
        stage: str | None,
        opacity: float,
    ) -> Updates:
        """Another map or opacity."""
        if shown is None:
            return self._unchanged()
        return {
            self.classifier_map: view.classifier_map(shown, garment, map_name, opacity),
            self.detector_map: view.detector_map(shown, stage, opacity),
        }

    def _labels(self, shown: Shown, threshold: float, chosen: int | None) -> Updates:
        return {
            self.annotated: view.annotated(shown, threshold),
            self.summary: view.summary(shown, threshold),
            self.garment: gr.Dropdown(choices=view.choices(shown, threshold), value=chosen),
            self.top5: view.top5(shown, chosen),
            self.table: view.rows(shown, threshold),
        }

    def _maps(self, shown: Shown, chosen: int | None, opacity: float) -> Updates:
        names, stages = view.map_choices(shown), view.stage_choices(shown)
        name = names[0][1] if names else None
        stage = stages[len(stages) // 2][1] if stages else None
        return {
            self.map_name: gr.Dropdown(choices=names, value=name),
            self.stage: gr.Dropdown(choices=stages, value=stage),
            self.classifier_map: view.classifier_map(shown, chosen, name, opacity),
            self.detector_map: view.detector_map(shown, stage, opacity),
        }

    def _unchanged(self) -> Updates:
        return {self.classifier_map: gr.skip()}

    def _emptied(self) -> Updates:
        return {
            self.shown: None,
            self.results: gr.Column(elem_classes=[HIDDEN]),
            self.annotated: None,
            self.summary: WAITING,
            **self.closer.closed(),
        }


def _picture(elem_id: str, alt_text: str, height: int) -> gr.Image:
    # Without its label, which would lie over the corner of the picture where tags are.
    return gr.Image(
        show_label=False, alt_text=alt_text, format="jpeg", height=height, interactive=False,
        buttons=["download", "fullscreen"], elem_id=elem_id,
    )  # fmt: skip
