"""The command line: ``python -m core label|explain|anchors|summary|train|evaluate|import|export|worker|...``.

Results go to stdout and nothing else does; progress and complaints go to stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from core.cli import evaluate as evaluate_command
from core.cli import label as label_command
from core.cli import models, people, store
from core.cli import train as train_command
from core.errors import LapelError, RecipeError
from core.training.recipes import TrainingOptions

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Label clothing photos, and say why.",
    pretty_exceptions_enable=False,
)

Photos = Annotated[list[Path], typer.Argument(help="Photos, folders of photos or zips.", show_default=False)]
Threshold = Annotated[
    float | None, typer.Option(help="Least score, 0 to 1; the model card's by default.", min=0.0, max=1.0)
]
Weights = Annotated[
    list[Path] | None,
    typer.Option(help="A detector's or a classifier's weights instead of those that ship; twice for both."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[
    Path | None, typer.Option(help="Folder of the store; LAPEL_DATA or the user's share folder by default.")
]
By = Annotated[str | None, typer.Option(help="The user in whose name; the shell's account by default.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, or cuda:N for one of several GPUs.")]


@app.command()
def label(
    photos: Photos,
    threshold: Threshold = None,
    weights: Weights = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, which is what comes anyway.")] = True,
    out: Annotated[Path | None, typer.Option(help="Also write annotated pictures here.")] = None,
) -> None:
    """Label photos: one JSON line a photo. Exit status 1 if a photo could not be read.

    A line's "photo" is the file's name without its folder, numbered where it comes twice: "shirt (2).jpg".
    """
    raise typer.Exit(label_command.label(photos, threshold=threshold, weights=weights or (), out=out))


@app.command()
def explain(
    photo: Annotated[Path, typer.Argument(help="One photo.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the maps and index.json.")],
    threshold: Threshold = None,
    weights: Weights = None,
) -> None:
    """Write a photo's attention and class activation maps as PNG overlays, with an index."""
    label_command.explain(photo, out, threshold=threshold, weights=weights or ())


@app.command()
def anchors(
    dataset: Annotated[
        Path, typer.Argument(help="COCO, VOC, YOLO or DeepFashion2 boxes.", show_default=False)
    ],
    clusters: Annotated[int, typer.Option(help="How many anchors.")] = 9,
    size: Annotated[int, typer.Option(help="Side of the network's square input in pixels.")] = 416,
    seed: Annotated[int, typer.Option(help="The same seed gives the same anchors.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Fit anchors to a data set's boxes by K-means++ under 1 - IoU."""
    evaluate_command.anchors(dataset, clusters=clusters, size=size, seed=seed, as_json=as_json)


@app.command()
def summary(
    model: Annotated[
        str,
        typer.Argument(help="yolov4, yolov4-gs, mobilenet, mobilenet-mha, vgg16, ...", show_default=False),
    ],
    preset: Annotated[str, typer.Option(help="Width and depth of the YOLO models.")] = "full",
    classes: Annotated[int | None, typer.Option(help="The papers' by default.")] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the input in pixels; the papers' by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count a model's parameters, multiply-adds and bytes."""
    evaluate_command.summary(model, preset=preset, classes=classes, size=size, as_json=as_json)


@app.command()
def train(
    kind: Annotated[str, typer.Argument(help="detector or classifier", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Training data: a COCO file (detector) or a CSV (classifier); with --revision the store."
        ),
    ] = None,
    val: Annotated[Path | None, typer.Option(help="Validation data of the same kind.")] = None,
    revision: Annotated[
        str | None, typer.Option(help="Fine-tune the store's champion on this revision: a number, or latest.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="With --revision: a quick fine-tuning, in minutes.")
    ] = False,
    preset: Annotated[str | None, typer.Option(help="A named recipe, or a detector's size.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    batch: Annotated[int | None, typer.Option(help="Photos a step.", min=1)] = None,
    pretrained: Annotated[
        Path | None,
        typer.Option(help="ImageNet MobileNet or a distilled backbone, or whole weights to go on from."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of pixel labels for copy-paste (detector).")
    ] = None,
    extra: Annotated[list[Path] | None, typer.Option(help="More training data of the same kind.")] = None,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(help="Loader processes.", min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and weights.")] = Path("runs/latest"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
) -> None:
    """Train a model, on files or on a revision of the store.

    On files (--data, --val), checkpoints, the curve and the best weights with their card go to --out. On a
    revision the result is a candidate in the store, compared with the champion.
    """
    if revision is not None:
        train_command.train_revision(kind, revision, quick=quick, device=device, data=data)
        return
    if data is None or val is None:
        raise RecipeError("expected --data and --val to train on files, or --revision to train on the store")
    options = TrainingOptions(
        data=data,
        val=val,
        preset=preset,
        epochs=epochs,
        seed=seed,
        batch=batch,
        pretrained=pretrained,
        masks=masks,
        extra=tuple(extra or ()),
        device=device,
        workers=workers,
        out=out,
        resume=resume,
    )
    train_command.train(kind, options)


@app.command()
def distill(
    photos: Annotated[
        list[Path], typer.Argument(help="Folders of photos; labels are not needed.", show_default=False)
    ],
    teacher: Annotated[Path, typer.Option(help="ImageNet MobileNet V1 weights.")],
    preset: Annotated[str, typer.Option(help="The backbone's size.")] = "nano",
    epochs: Annotated[int, typer.Option(help="Passes over the photos.", min=1)] = 10,
    size: Annotated[int, typer.Option(help="Side of the crops in pixels, a multiple of 32.")] = 160,
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
    """Pretrain a YOLOv4-GS backbone by distilling ImageNet features into it."""
    train_command.distill(
        photos,
        teacher,
        preset=preset,
        epochs=epochs,
        size=size,
        skip=skip,
        device=device,
        out=out,
        resume=resume,
    )


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="detector, classifier or a weights file", show_default=False)],
    dataset: Annotated[
        Path, typer.Argument(help="COCO file (detector) or CSV of image and label.", show_default=False)
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos; photos/ or images/ beside the file by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on a data set, with intervals."""
    evaluate_command.evaluate(model, dataset, photos, as_json=as_json)


@app.command("import")
def import_photos(
    path: Annotated[Path, typer.Argument(help="A photo, a zip, a folder or a data set.", show_default=False)],
    by: By = None,
    data: Data = None,
) -> None:
    """Bring photos into the store, with the boxes of a data set. Exit status 1 if a file was refused."""
    raise typer.Exit(store.import_photos(path, by=by, data=data))


@app.command()
def export(
    revision: Annotated[
        str, typer.Argument(help="A number, latest, or new for what is annotated now.", show_default=False)
    ],
    format: Annotated[str, typer.Option(help="coco, voc, yolo or csv.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    pictures: Annotated[bool, typer.Option("--pictures", help="With the photos, as a zip.")] = False,
    by: By = None,
    data: Data = None,
) -> None:
    """Write a revision of the annotations to a file."""
    store.export(revision, format=format, out=out, pictures=pictures, by=by, data=data)


@app.command()
def worker(
    data: Data = None,
    device: Device = "auto",
    kinds: Annotated[
        str | None, typer.Option(help="Kinds of work, with commas: import,label,order,train; by default all.")
    ] = None,
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Run background jobs: imports, labelling, ordering of the queue, trainings.

    Several may run, on several machines with PostgreSQL, each on a GPU of its own; none opens a port.
    """
    store.work(data=data, attached=attached, device=device, kinds=kinds)


@app.command("models")
def list_models(as_json: AsJson = False, data: Data = None) -> None:
    """List the store's models, the newest first, with what each brought; those that serve have a star."""
    models.models(as_json=as_json, data=data)


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="A model's name or number.", show_default=False)],
    overrule: Annotated[
        str, typer.Option(help="Why it is to serve though the gate refuses; it is recorded.")
    ] = "",
    by: By = None,
    data: Data = None,
) -> None:
    """Promote a model if it passes the gate, after comparing it with the champion where needed."""
    models.promote(model, overrule=overrule, by=by, data=data)


@app.command()
def rollback(
    kind: Annotated[str, typer.Argument(help="detector or classifier", show_default=False)],
    by: By = None,
    data: Data = None,
) -> None:
    """Roll back to the model that served before."""
    models.rollback(kind, by=by, data=data)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The zip to write.", show_default=False)],
    data: Data = None,
) -> None:
    """Write all of the store into one file, while others work with it."""
    store.backup(file, data=data)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A zip that backup wrote.", show_default=False)],
    data: Data = None,
) -> None:
    """Fill an empty store from a backup."""
    store.restore(file, data=data)


app.add_typer(people.app, name="people")
app.command()(people.audit)


def main() -> None:
    """Run the command line; a LapelError becomes its sentence on stderr and exit status 2."""
    try:
        app()
    except LapelError as error:
        print(f"lapel: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
