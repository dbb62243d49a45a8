"""Exports of weights for an engine: made at first use, kept by digest, checked against PyTorch.

An export lies in the user's cache folder (``LAPEL_CACHE``, else ``~/.cache/lapel``) under the digest of all
that it depends on: the weights, what of the card shapes the network, the code of the networks, the engine's
version. It is never shipped as truth, and may be deleted at any time. It is made and checked by a process of
its own, so that whoever labels need not load PyTorch.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from filelock import FileLock

from core.errors import WeightsError
from core.files import cache_folder
from core.models.cards import LARGEST_BYTES, ModelCard

log = logging.getLogger("lapel.engines")

ROOT = Path(__file__).resolve().parents[3]
NETWORKS = (
    *("models/graphs", "models/loading", "models/registry", "models/weights"),
    *("models/decode", "models/yolov4", "models/blocks", "models/fused", "anchors"),
    *("models/classifier", "models/mobilenet", "models/attention", "models/vgg"),
    "inference/engines/export_process",
)
"""Modules of core whose code an export, or its agreement, depends on."""

MODEL_FILE, AGREEMENT_FILE = "model.onnx", "agreement.json"
EXPORT_SECONDS = 600.0
MIB = 2**20
ROOM_PER_BYTE = 2.1
"""Bytes of an export for one of the weights, which may be in half precision."""
MOST_EXPORTS = 16
TOLERANCE = 1e-3
"""Greatest difference from PyTorch: of probabilities, maps, and boxes as a share of the picture's side."""

REFUSED_WEIGHTS = 3  # exit status of the process: the weights cannot serve in any engine


def exported(path: Path, card: ModelCard, engine: str) -> Path | None:
    """The export of a weights file that agrees with PyTorch, made now where there is none.

    None where there can be none, which the log tells; raises WeightsError where the weights cannot serve.
    """
    try:
        folder = cache_folder() / "engines" / export_key(path, card, engine)
        agreement = _read(folder) or _make(path, engine, folder)
    except (OSError, ImportError, subprocess.SubprocessError, ValueError) as error:
        log.warning("PyTorch serves %s: it cannot be exported for %s: %s", path.name, engine, error)
        return None
    if not agreement["agrees"]:
        found, allowed = agreement["differences"], agreement["tolerances"]
        name = max(found, key=lambda output: found[output] / allowed[output])
        log.warning(
            "PyTorch serves %s: in %s %s differs from PyTorch by %.1e, expected at most %.0e",
            path.name, engine, name, found[name], allowed[name],
        )  # fmt: skip
        return None
    return folder / MODEL_FILE


def export_key(path: Path, card: ModelCard, engine: str) -> str:
    """The digest of everything that an export depends on, in hex."""
    if not path.is_file():
        raise WeightsError(f"expected weights at {path.name}, found none")
    if path.stat().st_size > LARGEST_BYTES:
        raise WeightsError(f"expected weights of at most {LARGEST_BYTES // 2**20} MB in {path.name}")
    shape = (card.kind, card.model, card.preset, len(card.categories), card.anchors_wh, card.input_size)
    parts = [engine, engine_version(engine), repr(shape), repr(TOLERANCE)]
    parts += [_digest(ROOT / "core" / f"{name}.py") for name in NETWORKS]
    return hashlib.sha256("\n".join([*parts, _digest(path)]).encode()).hexdigest()[:32]


def engine_version(engine: str) -> str:
    """The version of an engine's package, or the name and version of another package that brought it.

    ONNX Runtime is also ``onnxruntime-gpu`` or ``onnxruntime-directml``. Raises PackageNotFoundError.
    """
    try:
        return version(engine)
    except PackageNotFoundError:
        names = packages_distributions().get(engine)
        if not names:
            raise
        return f"{names[0]} {version(names[0])}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> dict[str, Any] | None:
    """What is known of an export; None where there is none, or what is there is damaged."""
    try:
        agreement: dict[str, Any] = json.loads((folder / AGREEMENT_FILE).read_text(encoding="utf-8"))
        names = agreement["differences"].keys()
        whole = names and agreement["tolerances"].keys() == names and isinstance(agreement["agrees"], bool)
        if not whole or (agreement["agrees"] and _digest(folder / MODEL_FILE) != agreement["sha256"]):
            return None
        os.utime(folder)  # used now: not the next to be deleted
        return agreement
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _make(path: Path, engine: str, folder: Path) -> dict[str, Any]:
    """Export in a process of its own; two processes that want the same export make it once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock"), timeout=EXPORT_SECONDS):
        known = _read(folder)
        if known is not None:
            return known
        log.info("Preparing %s for %s, once", path.name, engine)
        shutil.rmtree(folder, ignore_errors=True)
        _check_room(path, folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
            run_export(path, engine, Path(temporary))
            Path(temporary).chmod(0o755)
            Path(temporary).rename(folder)
            Path(temporary).mkdir()  # for TemporaryDirectory to remove
        _forget_old(folder.parent)
    made = _read(folder)
    if made is None:
        raise ValueError("the export left no file")
    return made


def _check_room(path: Path, folder: Path) -> None:
    """Raise OSError where an export has no room: said at once, as an attempt takes seconds at every start."""
    needed = ROOM_PER_BYTE * path.stat().st_size + MIB
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"its cache folder has {free / MIB:,.0f} MiB of room, expected {needed / MIB:,.0f} MiB")


def run_export(path: Path, engine: str, folder: Path) -> None:
    """Export weights into a folder, with how far they agree, by a process of its own.

    Raises WeightsError where they cannot serve, ValueError with the process's last line where it fails.
    """
    command = [
        sys.executable,
        "-m",
        "core.inference.engines.export_process",
        str(path.resolve()),
        engine,
        str(folder),
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=EXPORT_SECONDS, check=False,
        env=os.environ | {"PYTHONUTF8": "1"},
    )  # fmt: skip
    last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
    if done.returncode == REFUSED_WEIGHTS:
        raise WeightsError(last)
    if done.returncode == -signal.SIGINT or last == "KeyboardInterrupt":  # Ctrl-C reaches both processes
        raise KeyboardInterrupt
    if done.returncode:
        raise ValueError(last)


def _forget_old(folder: Path) -> None:
    """Delete the exports that were not used for longest, and what killed exports have left behind.

    One in use stays readable on Linux and macOS.
    """
    for entry in folder.glob(".*"):
        if time.time() - entry.stat().st_mtime > EXPORT_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)
    kept = sorted(
        (entry for entry in folder.iterdir() if entry.is_dir()), key=lambda entry: entry.stat().st_mtime
    )
    for old in kept[:-MOST_EXPORTS]:
        shutil.rmtree(old, ignore_errors=True)
        old.with_suffix(".lock").unlink(missing_ok=True)
