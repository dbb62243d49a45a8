"""``train`` and ``distill``: from files to weights, or the store's champion fine-tuned on a revision."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.console import Device, ProgressBar, account_name, open_store, print_json
from core.cli.store import chosen_revision
from core.errors import ConflictError, DatasetError, RecipeError
from core.images.containers import PHOTO_SUFFIXES
from core.progress import Progress
from core.training.recipes import MOST_EPOCHS, TrainingOptions

if TYPE_CHECKING:
    from core.store import Store
    from core.store.trainings import Anchors, TrainingRow

FEWEST_PHOTOS = 20
LARGEST_SHARE = 10.0
FILE_TRAINING_OPTIONS = (
    "val",
    "model",
    "preset",
    "size",
    "epochs",
    "seed",
    "batch",
    "pretrained",
    "masks",
    "extra",
    "unlabeled",
    "devices",
    "workers",
    "out",
    "resume",
)


def train(kind: str, options: TrainingOptions) -> None:
    """Train a detector or a classifier; prints the best weights' path."""
    from core.training.recipes import ClassifierRecipe, choose_recipe
    from core.training.run import train_classifier, train_detector

    changes = {name: getattr(options, name) for name in ("model", "epochs", "seed", "batch")}
    recipe = choose_recipe(kind, options.preset, size=options.size, **changes)
    if isinstance(recipe, ClassifierRecipe):
        best = train_classifier(recipe, options)
    else:
        best = train_detector(recipe, options)
    if os.environ.get("LOCAL_RANK", "0") == "0":  # Lightning starts this command again for each other device
        print(best)


def check_options(given: Collection[str]) -> None:
    """Raise RecipeError for an option of ``train`` that does not go with the others given."""
    if "revision" not in given:
        if "quick" in given:
            raise RecipeError("--quick goes with --revision, not with a training on files")
        return
    for name in FILE_TRAINING_OPTIONS:
        if name in given:
            raise RecipeError(f"--{name} goes with a training on files (--data, --val), not with --revision")


def parse_source(text: str) -> tuple[Path, float | None]:
    """A training file and its share from ``FILE`` or ``FILE:SHARE``. Raises RecipeError for a bad share."""
    file, colon, share = text.rpartition(":")
    try:
        number = float(share)
    except ValueError:
        return Path(text), None
    if not colon or Path(text).exists():
        return Path(text), None
    if not 0 < number <= LARGEST_SHARE:
        raise RecipeError(f"expected a share above 0 and up to {LARGEST_SHARE:.0f} of {file}, got {share}")
    return Path(file), number


def own_validation(data: Path) -> Path:
    """The training data themselves, where they say which of their photos validate. Raises RecipeError."""
    from core.datasets.deepfashion import has_parts

    if not has_parts(data):
        raise RecipeError(
            "expected --data and --val to train on files, or --revision to train on the store; without --val "
            "DeepFashion's folder (with Eval/list_eval_partition.txt) or DeepFashion2's (with validation/)"
        )
    return data


def parse_unlabeled(texts: Iterable[str]) -> dict[Path, tuple[str, ...]]:
    """Training files and the categories that they do not label, those of one file together."""
    merged: dict[Path, tuple[str, ...]] = {}
    for file, names in map(_unlabeled_in, texts):
        merged[file] = tuple(dict.fromkeys((*merged.get(file, ()), *names)))
    return merged


def _unlabeled_in(text: str) -> tuple[Path, tuple[str, ...]]:
    """A training file and the categories that it does not label, from ``FILE:NAME,NAME``."""
    file, _, names = text.rpartition(":")
    listed = tuple(name.strip() for name in names.split(",") if name.strip())
    if not file or not listed:
        raise RecipeError(f"expected FILE:CATEGORY,..., got {text!r}")
    return Path(file), listed


def distill(
    photos: Annotated[
        list[Path], typer.Argument(help="Folders of photos; labels are not needed.", show_default=False)
    ],
    teacher: Annotated[Path, typer.Option(help="ImageNet MobileNet V1 weights.")],
    model: Annotated[str, typer.Option(help="Whose backbone: yolov4-gs or yolov4.")] = "yolov4-gs",
    preset: Annotated[str, typer.Option(help="The backbone's size.")] = "nano",
    epochs: Annotated[int, typer.Option(help="Passes over the photos.", min=1, max=MOST_EPOCHS)] = 10,
    size: Annotated[
        int, typer.Option(help="Side of the crops in pixels, a multiple of 32.", min=32, max=1024)
    ] = 160,
    skip: Annotated[
        Path | None, typer.Option(help="A text file of photo names to leave out (validation).")
    ] = None,
    device: Device = "auto",
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the backbone.")] = Path(
        "runs/backbone"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
) -> None:
    """Pretrain a YOLOv4 or YOLOv4-GS backbone by distilling ImageNet features into it.

    The light presets of the other detectors have YOLOv4's backbone and start from it as well.
    """
    paths = list_photos(photos, _names_in(skip) if skip else frozenset())
    if len(paths) < FEWEST_PHOTOS:
        raise DatasetError(f"expected at least {FEWEST_PHOTOS} photos to learn from, got {len(paths)}")
    from core.training.run import distill_backbone

    where: dict[str, Any] = {"device": device, "out": out, "resume": resume}
    what: dict[str, Any] = {"model": model, "preset": preset, "epochs": epochs, "size": size}
    print(distill_backbone(paths, teacher, **what, **where))


def list_photos(folders: Sequence[Path], left_out: frozenset[str]) -> list[Path]:
    """The folders' photos by their ending, sorted, without those named in ``left_out``."""
    found = (path for folder in folders for path in folder.glob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    return sorted(path for path in found if not {path.name, path.stem} & left_out)


def _names_in(file: Path) -> frozenset[str]:
    try:
        return frozenset(file.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"expected a text file of photos' names at {file}, got: {error}") from error


def asked_anchors(chosen: str | None) -> Anchors:
    """A fine-tuning's anchors as :meth:`Trainings.begin` takes them, from ``--anchors``.

    None and "champion" are the champion's. Raises RecipeError for anything but these, "own", "darknet" and a
    JSON file of nine anchors that names its input size.
    """
    from core.anchors import darknet_anchors, read_anchors, read_size
    from core.store.trainings import OWN_ANCHORS

    if chosen in (None, "champion"):
        return None
    if chosen == OWN_ANCHORS:
        return OWN_ANCHORS
    if chosen == "darknet":
        return darknet_anchors(1).tolist()
    path = Path(str(chosen))
    if not path.is_file():
        raise RecipeError(f"expected --anchors champion, own, darknet or a JSON file, got {chosen}")
    return (read_anchors(path) / read_size(path)).tolist()


def train_revision(
    kind: str, revision: str, *, quick: bool, device: str, data: Path | None, anchors: str | None = None
) -> None:
    """Train a kind's champion on a revision; progress goes to stderr, what came out to stdout as JSON.

    Raises ConflictError where one of the kind is being trained already, RecipeError for a champion that is
    not fine-tuned.
    """
    from core.jobs.client import require_finetuned
    from core.training.finetune.run_directory import finish_training

    store, started = open_store(data), time.monotonic()
    require_finetuned(store, kind)
    chosen = chosen_revision(store, revision, account_name())
    mode, wanted = "quick" if quick else "full", asked_anchors(anchors)
    row = store.trainings.begin(kind, mode, chosen.number, anchors=wanted, by_worker=False)
    if row.job is not None or row.state != "waiting":
        raise ConflictError(f"A {kind} is being trained already: it is training {row.id}.")
    try:
        with ProgressBar("batch") as bar:
            figures, message = _train(store, row, device, bar.show)
    except KeyboardInterrupt:
        finish_training(store, row.id, "cancelled")
        raise
    except BaseException as error:
        finish_training(store, row.id, "failed", str(error) or type(error).__name__)
        raise
    finish_training(store, row.id, "done", message)
    print_json(figures | {"message": message, "seconds": round(time.monotonic() - started, 1)})


def _train(store: Store, row: TrainingRow, device: str, show: Progress) -> tuple[dict[str, Any], str]:
    """Train, register and compare; the figures, and the outcome in words."""
    from core.training.finetune.run import compare_and_summarize, register_candidate, train_revision

    weights = train_revision(
        store, row.id, lambda: not store.trainings.get(row.id).is_going, device=device, progress=show
    )
    candidate = register_candidate(store, row.id, weights)

    def compared(done: int, total: int, message: str = "") -> None:
        show(done, total, "Comparing with the champion on the holdout.")
        store.trainings.progress(row.id, row.steps, row.steps, "Comparing with the champion on the holdout.")

    message = compare_and_summarize(store, row.id, candidate.id, compared)
    found = store.comparisons.of(candidate.id)
    settings = store.trainings.get(row.id).settings
    figures = {
        "training": row.id,
        "kind": row.kind,
        "mode": row.mode,
        "revision": row.revision,
        "model": candidate.name,
        "parent": settings["parent"],
        "photos": settings["photos"],
        "comparison": dict(found[0].report["comparison"]) if found else None,
        "passes": found[0].verdict.passes if found else None,
    }
    return figures, message
