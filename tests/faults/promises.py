"""What a store has said yes to, and whether it is still there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from core.store import Store
from core.store.schema import annotations, photos
from tests.faults.writer import plain

Facts = Mapping[str, Any]


@dataclass
class Promises:
    """All that a writer was told is saved, less what it has asked to be removed since."""

    photos: dict[int, str] = field(default_factory=dict)
    leaving: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    drafts: dict[tuple[int, str], Facts] = field(default_factory=dict)
    versions: dict[str, Facts] = field(default_factory=dict)
    revisions: dict[int, str] = field(default_factory=dict)
    imported: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    heard: int = 0

    def hear(self, lines: Iterable[Facts]) -> None:
        """Take a writer's lines in their order."""
        for line in lines:
            self.heard += 1
            getattr(self, "_" + line["what"])(line)

    def broken(self, store: Store) -> Iterator[str]:
        """Each promise that the store has not kept, in words."""
        yield from self.failures
        yield from self._photos_broken(store)
        yield from self._drafts_broken(store)
        yield from self._versions_broken(store)
        for number, digest in self.revisions.items():
            if store.revisions.get(number).digest != digest:
                yield f"revision {number} is another one"
        for id, done in self.imported.items():
            if store.imports.get(id).done < done:
                yield f"import {id} has lost photos it had done"

    def _photos_broken(self, store: Store) -> Iterator[str]:
        with store.database.read() as connection:
            rows = connection.execute(sa.select(photos.c.id, photos.c.digest, photos.c.deleted_at)).all()
        live = {row.id: row.digest for row in rows if row.deleted_at is None}
        for id, digest in self.photos.items():
            if live.get(id) != digest:
                yield f"photo {id} is lost"
        for id in self.deleted & live.keys():
            yield f"photo {id} is back from the dead"

    def _drafts_broken(self, store: Store) -> Iterator[str]:
        for (photo, person), told in self.drafts.items():
            kept = store.drafts.load(photo, person)
            if kept is None or kept.sequence < told["sequence"]:
                yield f"the draft of photo {photo} by {person} is lost"
            elif kept.sequence == told["sequence"] and plain(kept.boxes) != told["boxes"]:
                yield f"the draft of photo {photo} by {person} has other boxes"

    def _versions_broken(self, store: Store) -> Iterator[str]:
        found = sa.select(annotations.c.request, annotations.c.photo_id, annotations.c.version)
        with store.database.read() as connection:
            saved = {row.request: (row.photo_id, row.version) for row in connection.execute(found)}
        for request, told in self.versions.items():
            place = (told["photo"], told["version"])
            if saved.get(request) != place:
                yield f"version {place} is lost, there is {saved.get(request)}"
            elif plain(store.annotations.version(*place).boxes) != told["boxes"]:
                yield f"version {place} has other boxes"

    def _draft(self, line: Facts) -> None:
        if line["photo"] not in self.leaving:
            self.drafts[line["photo"], line["person"]] = line

    def _submitting(self, line: Facts) -> None:
        self.drafts.pop((line["photo"], line["person"]), None)  # gone as soon as the version is there

    def _submitted(self, line: Facts) -> None:
        self.versions[line["request"]] = line

    def _added(self, line: Facts) -> None:
        self.photos[line["photo"]] = line["digest"]

    def _deleting(self, line: Facts) -> None:
        self.leaving.add(line["photo"])
        del self.photos[line["photo"]]
        for key in [key for key in self.drafts if key[0] == line["photo"]]:
            del self.drafts[key]

    def _deleted(self, line: Facts) -> None:
        self.deleted.add(line["photo"])

    def _revision(self, line: Facts) -> None:
        self.revisions[line["number"]] = line["digest"]

    def _import(self, line: Facts) -> None:
        self.imported[line["id"]] = line["done"]

    def _failed(self, line: Facts) -> None:
        self.failures.append(line["error"])
