"""The command line: ``python -m core label|explain|anchors|summary|train|evaluate|import|export|worker|...``.

Results go to stdout and nothing else does; progress and complaints go to stderr.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from core.cli import batch_labeling, models, people, store
from core.cli import evaluate as evaluate_command
from core.cli import label as label_command
from core.cli import train as train_command
from core.cli.console import By, Data, Device
from core.cli.export_model import export_model
from core.cli.label import Threshold, Weights
from core.cli.report import report
from core.cli.video import Fps
from core.errors import LapelError, RecipeError
from core.logs import report_failure, start_logs
from core.threads import use_passive_waiting
from core.training.recipes import LARGEST_BATCH, LARGEST_SEED, MOST_EPOCHS, TrainingOptions

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Label clothing photos, and say why.",
    pretty_exceptions_enable=False,
)


@app.callback()
def everything(
    project: Annotated[
        str | None, typer.Option(help="The slug of a project of the store; LAPEL_PROJECT, else the first.")
    ] = None,
) -> None:
    """Label clothing photos, and say why."""
    if project is not None:
        os.environ["LAPEL_PROJECT"] = project


Photos = Annotated[
    list[str],
    typer.Argument(
        help="Photos, videos, folders of them, or zips of photos; or one address (s3://bucket/photos/).",
        show_default=False,
    ),
]


@app.command()
def label(
    photos: Photos,
    threshold: Threshold = None,
    weights: Weights = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, which is what comes anyway.")] = True,
    out: Annotated[
        str | None,
        typer.Option(help="Also write annotated pictures and videos here; of a run, where its results go."),
    ] = None,
    fps: Fps = None,
    device: Device = "auto",
    format: batch_labeling.Formats = None,
    shard: batch_labeling.Shard = None,
    by_workers: batch_labeling.ByWorkers = False,
    data: Data = None,
) -> None:
    """Label photos and videos: one JSON line a photo or frame. Exit status 1 if one could not be read.

    A line's "photo" is the file's name without its folder, numbered where it comes twice: "shirt (2).jpg".
    A frame's line has "video", "frame", "time" in seconds, and of each garment its "track", which stays.

    With an address (s3://, gs://, file://, ...) as PHOTO or --out, with --format or with --by-workers it is a
    run: all photos of one folder or prefix to tables in --out, in shards. A run that was stopped goes on when
    the same command is given again. Its manifest, without the shards, goes to stdout.
    """
    if batch_labeling.is_batch(photos, out, format, by_workers):
        raise typer.Exit(
            batch_labeling.label_batch(
                photos,
                out,
                threshold=threshold,
                weights=weights or (),
                formats=format or (),
                shard_photos=shard,
                device=device,
                by_workers=by_workers,
                data=data,
            )
        )
    if shard is not None or data is not None:
        raise LapelError("expected --shard and --data for a run alone: with --format, or an address as --out")
    raise typer.Exit(
        label_command.label(
            [Path(photo) for photo in photos],
            threshold=threshold,
            weights=weights or (),
            out=None if out is None else Path(out),
            fps=fps,
            device=device,
        )
    )


app.command()(label_command.explain)
app.command()(evaluate_command.anchors)
app.command()(evaluate_command.summary)


@app.command()
def train(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="detector or classifier", show_default=False)],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Training data: a COCO file (detector) or a CSV (classifier), or several, or the folder of "
            "DeepFashion2 (detector) or DeepFashion (classifier); "
            "FILE:0.5 takes half of its photos an epoch. With --revision the store's folder."
        ),
    ] = None,
    val: Annotated[
        Path | None,
        typer.Option(help="Validation data of the same kind; the folders of DeepFashion have their own."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Fine-tune the store's champion on this revision: a number, or latest.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="With --revision: a quick fine-tuning, in minutes.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="The network, by default the recipe's: see core summary --help.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A named recipe, or a network's size.")] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Long side of the network's input in pixels.", min=32, max=2048),
    ] = None,
    anchors: Annotated[
        str | None,
        typer.Option(
            help="own (K-means++ on the training boxes), darknet, random (K-means from random seeds), or a "
            "JSON file of nine in pixels of the canvas (YOLO). With --revision: champion (default), own, "
            "darknet, or a JSON file that names its input size."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", min=1, max=MOST_EPOCHS)] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.", min=0, max=LARGEST_SEED)] = None,
    batch: Annotated[int | None, typer.Option(help="Photos a step.", min=1, max=LARGEST_BATCH)] = None,
    pretrained: Annotated[
        Path | None,
        typer.Option(help="ImageNet MobileNet or a distilled backbone, or whole weights to go on from."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of pixel labels for copy-paste (detector).")
    ] = None,
    extra: Annotated[
        list[Path] | None,
        typer.Option(help="More training data, of which an epoch takes the recipe's share."),
    ] = None,
    unlabeled: Annotated[
        list[str] | None,
        typer.Option(
            help="FILE:CATEGORY,...: categories of which this file boxes no garment, or not all (detector)."
        ),
    ] = None,
    device: Device = "auto",
    devices: Annotated[
        int, typer.Option(help="GPUs, or processes of a CPU, that share each batch.", min=1, max=64)
    ] = 1,
    workers: Annotated[int, typer.Option(help="Loader processes.", min=0, max=256)] = 0,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and weights.")] = Path("runs/latest"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")
    ] = False,
) -> None:
    """Train a model, on files or on a revision of the store.

    On files (--data, --val), checkpoints, the curve and the best weights with their card go to --out. On a
    revision the result is a candidate in the store, compared with the champion.
    """
    sources_of = {name: context.get_parameter_source(name) for name in context.params}
    train_command.check_options(
        [n for n, source in sources_of.items() if source and source.name != "DEFAULT"]
    )
    if revision is not None:
        if data and len(data) > 1:
            raise RecipeError(f"expected one --data with --revision, the store's folder, got {len(data)}")
        train_command.train_revision(
            kind,
            revision,
            quick=quick,
            device=device,
            data=Path(data[0]) if data else None,
            anchors=anchors,
        )
        return
    if not data:
        raise RecipeError("expected --data and --val to train on files, or --revision to train on the store")
    sources = [train_command.parse_source(text) for text in data]
    options = TrainingOptions(
        data=sources[0][0],
        val=val or train_command.own_validation(sources[0][0]),
        model=model,
        preset=preset,
        size=size,
        anchors=anchors,
        epochs=epochs,
        seed=seed,
        batch=batch,
        pretrained=pretrained,
        masks=masks,
        extra=(*(file for file, _ in sources[1:]), *(extra or ())),
        device=device,
        workers=workers,
        out=out,
        resume=resume,
        devices=devices,
        shares={file: share or 1.0 for file, share in sources if share is not None or file != sources[0][0]},
        unlabeled=train_command.parse_unlabeled(unlabeled or ()),
    )
    train_command.train(kind, options)


app.command()(train_command.distill)
app.command()(evaluate_command.evaluate)
app.command()(report)


@app.command("import")
def import_photos(
    path: Annotated[Path, typer.Argument(help="A photo, a zip, a folder or a dataset.", show_default=False)],
    by: By = None,
    data: Data = None,
) -> None:
    """Bring photos into the store, with the boxes of a dataset. Exit status 1 if a file was refused."""
    raise typer.Exit(store.import_photos(path, by=by, data=data))


app.command()(store.export)
app.command()(store.order)
app.command("worker")(store.work)
app.command("status")(store.show_status)
app.command()(store.prune)
app.command("export-model")(export_model)
app.command()(models.models)
app.command()(models.promote)
app.command()(models.rollback)
app.command()(store.backup)
app.command()(store.restore)
app.add_typer(people.app, name="people")
app.add_typer(people.tokens, name="tokens")
app.add_typer(people.projects, name="projects")
app.command()(people.audit)


def main() -> None:
    """Run the command line; what a person can mend becomes one sentence on stderr, and exit status 2.

    Beside LapelErrors these are files that cannot be read or written, names that are no text, and a machine
    with too little memory. Ctrl-C is 130, as shells have it; a reader of stdout that has gone is no fault.
    """
    use_passive_waiting()
    try:
        start_logs()
        app()
    except LapelError as error:
        _leave(str(error))
    except BrokenPipeError:
        with suppress(OSError):  # nothing more is written when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        _leave(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}")
    except UnicodeError as error:
        _leave(
            f"expected text in UTF-8, got what is none: {error.reason if hasattr(error, 'reason') else error}"
        )
    except MemoryError:
        _leave("this machine has too little memory for that")
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _leave(sentence: str) -> NoReturn:
    """End with a sentence on stderr, whatever stderr's encoding."""
    report_failure(sentence)
    raise SystemExit(2) from None


if __name__ == "__main__":
    main()
