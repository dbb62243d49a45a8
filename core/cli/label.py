"""``label`` and ``explain``: photos to JSON lines, annotated pictures and maps."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.console import Item, print_json, track, writable_folder
from core.errors import PhotoError, WeightsError
from core.file_names import free_name
from core.garments import LabeledPhoto, Refusal
from core.threads import parallel_map

if TYPE_CHECKING:
    from core.images.decode import Photo
    from core.inference.explain import Explanation
    from core.inference.labeler import Labeler


MOST_UNSAVED = 4
"""Annotated pictures that wait to be written; each holds a photo in memory."""


def _not_nan(value: float | None) -> float | None:
    """NaN is neither below 0 nor above 1, so Typer's range lets it pass."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not in the range 0<=x<=1.")
    return value


Threshold = Annotated[
    float | None,
    typer.Option(
        help="Least score, 0 to 1; the model card's by default.", min=0.0, max=1.0, callback=_not_nan
    ),
]
Weights = Annotated[
    list[Path] | None,
    typer.Option(help="A detector's or a classifier's weights instead of those that ship; twice for both."),
]


def label(
    photos: Sequence[Path],
    *,
    threshold: float | None,
    weights: Sequence[Path],
    out: Path | None,
    fps: float | None = None,
    device: str = "auto",
) -> int:
    """Label files, folders and zips, one JSON line a photo, then videos; returns the exit status.

    ``photo`` is the file's name without its folder, numbered ("shirt (2).jpg") where the batch has it twice.
    A photo that cannot be read gives its refusal, and the status 1 at the end. ``fps`` is for videos, see
    :func:`core.cli.video.label_videos`.
    """
    from core.cli.video import label_videos
    from core.images.decode import count_photos, iter_photos
    from core.images.video import apart_from_videos

    if out is not None:
        with writable_folder(out):
            pass  # fails before the first photo is labeled, not after
    stills, videos = apart_from_videos(photos)
    labeler = load_labeler(weights, device)
    sources = [(str(path), path) for path in stills]
    refused, taken = 0, set[str]()

    def labeled(timed_photo: tuple[float, Photo | Refusal]) -> tuple[Photo | Refusal, LabeledPhoto | None]:
        seconds, photo = timed_photo
        if isinstance(photo, Refusal):
            return photo, None
        found = labeler.label(photo, threshold)
        return photo, replace(found, seconds=found.seconds + seconds)

    # Names are given in order; pictures are drawn and saved while the next photos are in work.
    with ThreadPoolExecutor(1) as saving:
        saved: list[Future[None]] = []
        photos_labeled = parallel_map(timed(iter_photos(sources)), labeled)
        for photo, found in track(photos_labeled, count_photos(sources)):
            print_json((found or photo).as_dict())  # type: ignore[union-attr]
            if found is None or isinstance(photo, Refusal):
                refused += 1
            elif out is not None:
                path = out / _free_name(photo.name, taken)
                saved = [*_finished(saved), saving.submit(_write_annotated, photo, found, path)]
        for write in saved:
            write.result()
    refused += label_videos(videos, labeler, threshold=threshold, fps=fps, out=out)
    return 1 if refused else 0


def _finished(saved: list[Future[None]]) -> list[Future[None]]:
    """The writes that are not done yet, at most a few. Raises the error of one that failed."""
    while saved and (saved[0].done() or len(saved) > MOST_UNSAVED):
        saved.pop(0).result()
    return saved


def explain(
    photo: Annotated[Path, typer.Argument(help="One photo.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the maps and index.json.")],
    threshold: Threshold = None,
    weights: Weights = None,
    table: Annotated[
        bool,
        typer.Option("--table", help="Also write table.png: garment, class activation map, top-5 labels."),
    ] = False,
    label: Annotated[
        list[str] | None, typer.Option(help="Signed maps of this label as well; may be repeated.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Maps by class_activation, attention, rollout_2x, rollout_4x, grad_cam, grad_cam_pp, "
            "layer_cam, score_cam (TorchCAM) or box (why the detector sees it) as well; may be repeated."
        ),
    ] = None,
    npz: Annotated[bool, typer.Option("--npz", help="All numbers as NumPy arrays, in maps.npz.")] = False,
) -> None:
    """Write a photo's attention and class activation maps as PNG overlays, with an index.

    With --label, --method or --npz each garment of the index has "attribution" as well: maps over its crop in
    even colors, with what the ends of the colors stand for.
    """
    from core.images.decode import open_photo
    from core.inference.explain import explain as explain_photo
    from core.inference.explain import maps_missing, table_of, write_maps

    try:
        opened = open_photo(photo)
    except PhotoError as error:
        raise PhotoError(f"{photo}: {error}") from error
    labeler = load_labeler(weights or ())
    missing = maps_missing(labeler.classifier)
    if missing:
        print(missing, file=sys.stderr)
    explanation = explain_photo(labeler, opened, labeler.label(opened, threshold))
    if not explanation.detector_maps:
        model = labeler.detector.card.model
        print(f"The detector {model} has no attention maps; the classifier's are written.", file=sys.stderr)
    with writable_folder(out):
        index = write_maps(explanation, opened, out)
        if label or method or npz:
            _write_attribution(index, explanation, opened, out, weights or (), label or (), method or (), npz)
        text = json.dumps(index, indent=1, ensure_ascii=False)
        (out / "index.json").write_text(text + "\n", encoding="utf-8")
        if table:
            table_of(explanation, opened).save(out / "table.png")
    print_json(index)


def _write_attribution(
    index: dict[str, Any],
    explanation: Explanation,
    photo: Photo,
    out: Path,
    weights: Sequence[Path],
    labels: Sequence[str],
    methods: Sequence[str],
    npz: bool,
) -> None:
    """Maps of more labels and methods, added to the garments of the index; and all numbers."""
    from core.inference.attribution import ClassifierInspector, DetectorInspector
    from core.inference.attribution_files import BOX, check_methods, write_arrays, write_attribution
    from core.models.cards import read_card, shipped_weights

    check_methods(methods)
    paths = {read_card(path).kind: path for path in weights}
    detector = paths.get("detector") or shipped_weights("detector")
    entries, arrays = write_attribution(
        photo,
        [entry.garment for entry in explanation.garments],
        out,
        classifier=ClassifierInspector.load(paths.get("classifier") or shipped_weights("classifier")),
        detector=DetectorInspector.load(detector) if BOX in methods else None,
        labels=labels,
        methods=methods,
    )
    for garment, mine in zip(index["garments"], entries, strict=True):
        garment["attribution"] = mine
    if npz:
        arrays |= {f"detector_{entry.stage}": entry.values for entry in explanation.detector_maps}
        for number, entry in enumerate(explanation.garments, start=1):
            arrays |= {f"garment_{number:03d}_{name}_over_box": values for name, values in entry.maps.items()}
        write_arrays(arrays, out / "maps.npz")
        index["arrays"] = "maps.npz"


def load_labeler(weights: Sequence[Path], device: str = "auto") -> Labeler:
    """The weights that ship, with these files in place of their kind. Raises WeightsError."""
    from core.inference.labeler import Labeler

    chosen = chosen_weights(weights)
    return Labeler.load(chosen.get("detector"), chosen.get("classifier"), device)


def chosen_weights(weights: Sequence[Path]) -> dict[str, Path]:
    """Weights files by their kind. Raises WeightsError for two of a kind, and for what is none."""
    from core.models.cards import read_card

    chosen: dict[str, Path] = {}
    for path in weights:
        kind = read_card(path).kind
        if kind in chosen:
            raise WeightsError(f"expected one {kind}'s weights, got {chosen[kind].name} and {path.name}")
        chosen[kind] = path
    return chosen


def timed(items: Iterator[Item]) -> Iterator[tuple[float, Item]]:
    """Each item with the seconds it took to come."""
    while True:
        started = time.perf_counter()
        try:
            item = next(items)
        except StopIteration:
            return
        yield time.perf_counter() - started, item


def _write_annotated(photo: Photo, labeled: LabeledPhoto, path: Path) -> None:
    from core.images.drawing import annotate

    with writable_folder(path.parent):
        annotate(photo.image, labeled.garments).save(path, quality=92)


def _free_name(photo: str, taken: set[str]) -> str:
    """A picture's file name that this run has not used, case apart, and that no photo is likely to have."""
    stem = Path(photo).stem
    name = free_name(f"{stem}_labeled.jpg", lambda free: free.casefold() in taken, "{stem}_{number}{suffix}")
    taken.add(name.casefold())
    return name
