"""``export-model``: weights as ONNX, OpenVINO or TorchScript for people's own programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import print_json, writable_folder
from core.errors import WeightsError


def export_model(
    weights: Annotated[
        str, typer.Argument(help="detector, classifier or a weights file", show_default=False)
    ],
    format: Annotated[str, typer.Option(help="onnx, openvino or torchscript")] = "onnx",
    int8: Annotated[
        Path | None,
        typer.Option(
            help="Quantize ONNX to int8 on photos of this dataset (as for evaluate), and say what is lost."
        ),
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Folder of that dataset's photos.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="New folder; NAME-FORMAT in this folder by default.")
    ] = None,
) -> None:
    """Export a model with its classes, its card and a README on the input and the output."""
    from core.inference.export_model import export_model as export
    from core.models.cards import WEIGHTS_FOLDER

    ships = weights in ("detector", "classifier")
    path = WEIGHTS_FOLDER / f"{weights}.safetensors" if ships else Path(weights)
    if path.suffix != ".safetensors":
        raise WeightsError(f"expected detector, classifier or a .safetensors file, got {weights!r}")
    folder = out or Path(f"{path.stem}-{format}{'-int8' if int8 else ''}")
    with writable_folder(folder.absolute().parent):
        done = export(path, format, folder, int8=int8, photos=photos)
    print_json(done.as_dict())
