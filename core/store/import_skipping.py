"""Going on with an import behind a photo that cannot be read without harm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.store.importing import ImportCheckpoint, ImportManifest
from core.store.imports import UploadFolder

if TYPE_CHECKING:
    from core.store import Store


def skip_photo(store: Store, import_id: int, checkpoint: ImportCheckpoint, reason: str) -> ImportCheckpoint:
    """Refuse the next photo of an import without opening it; the checkpoint after it.

    A step as ``import_batch`` is: it may be cut off and repeated. Raises StoreError without a manifest.
    """
    manifest = ImportManifest(UploadFolder.of(store.folder).import_folder(import_id))
    item, offset = next(manifest.read(checkpoint.offset))
    store.imports.refuse(import_id, item.name, reason)
    counts = {**checkpoint.counts, "refused": checkpoint.counts.get("refused", 0) + 1}
    done = checkpoint.done + 1
    store.imports.progress(import_id, done, checkpoint.total, counts)
    return manifest.save(replace(checkpoint, done=done, offset=offset, counts=counts))
