"""The store: photos, annotations, queue, revisions, models and users; one database, one place for blobs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

import sqlalchemy as sa

from core.access import LOCAL, Actor
from core.errors import StoreError
from core.files import data_folder
from core.store.annotations import Annotations, Drafts
from core.store.api_tokens import ApiTokens
from core.store.audit import Audit
from core.store.blobs import Blobs
from core.store.categories import Categories
from core.store.consensus_review import ConsensusReviews
from core.store.database import Database
from core.store.imports import Imports
from core.store.ingest import PerceptualHashIndex
from core.store.jobs import Jobs
from core.store.models import Models
from core.store.photo_notes import PhotoNotes
from core.store.photos import Photos
from core.store.predictions import Predictions
from core.store.promotions import Comparisons, Promotions
from core.store.queue import Queue
from core.store.revisions import Revisions
from core.store.search import Search
from core.store.settings import Settings
from core.store.trainings import Trainings
from core.store.users import Users
from core.store.webhooks import Webhooks

Table = TypeVar("Table")

DATABASE_VARIABLE = "LAPEL_DATABASE_URL"
BLOBS_VARIABLE = "LAPEL_BLOBS_URL"


class StoreTable(Generic[Table]):
    """A part of the store that needs no more than its database, and acts in the store's actor's name."""

    def __init__(self, build: Callable[[Database, Actor], Table]) -> None:
        self._build = build

    def __get__(self, store: Store, _: type[Store]) -> Table:
        return self._build(store.database, store.actor)


@dataclass(frozen=True)
class Store:
    """The store of one installation; one object a process, safe to share between threads.

    ``folder`` is where files of this machine lie that belong to it: what waits to be imported, jobs. All
    that is done through it is done in the actor's name: AccessError where they may not.
    """

    database: Database
    blobs: Blobs
    folder: Path
    hash_index: PerceptualHashIndex = field(default_factory=PerceptualHashIndex, repr=False, compare=False)
    actor: Actor = LOCAL

    @classmethod
    def open(cls, url: str | None = None, folder: Path | None = None, blobs: str | None = None) -> Store:
        """The store of this machine's settings, with its schema up to date.

        ``url`` defaults to ``LAPEL_DATABASE_URL``, else to SQLite in the folder; ``folder`` to
        ``LAPEL_DATA``, else the user's share folder; ``blobs`` to ``LAPEL_BLOBS_URL``, else a folder
        in it. An empty store gets the street's thirteen categories. Raises StoreError where the database or
        the folder cannot be used.
        """
        folder = (folder or data_folder()).absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            database = Database.connect(url or os.environ.get(DATABASE_VARIABLE) or sqlite_url(folder))
            store = cls(
                database, Blobs(blobs or os.environ.get(BLOBS_VARIABLE) or str(folder / "blobs")), folder
            )
            database.upgrade()
        except OSError as error:
            raise StoreError(f"The folder {folder} cannot be used: {error.strerror}.") from error
        except sa.exc.DBAPIError as error:
            raise StoreError(f"The database cannot be opened: {error.orig}.") from error
        store.categories.add_defaults()
        return store

    def acting(self, actor: Actor) -> Store:
        """The same store with another actor."""
        return replace(self, actor=actor)

    categories = StoreTable(Categories)
    predictions = StoreTable(Predictions)
    imports = StoreTable(Imports)
    jobs = StoreTable(Jobs)
    settings = StoreTable(Settings)
    annotations = StoreTable(Annotations)
    drafts = StoreTable(Drafts)
    queue = StoreTable(Queue)
    consensus_reviews = StoreTable(ConsensusReviews)
    revisions = StoreTable(Revisions)
    search = StoreTable(Search)
    trainings = StoreTable(Trainings)
    comparisons = StoreTable(Comparisons)
    audit = StoreTable(Audit)
    users = StoreTable(Users)
    api_tokens = StoreTable(ApiTokens)
    webhooks = StoreTable(Webhooks)
    photo_notes = StoreTable(PhotoNotes)

    @property
    def photos(self) -> Photos:
        """Pictures and what is known of them from the outside."""
        return Photos(self.database, self.blobs, self.hash_index, self.actor)

    @property
    def models(self) -> Models:
        """The models that label and that could, and which of them serve."""
        return Models(self.database, self.blobs, self.folder, self.actor)

    @property
    def promotions(self) -> Promotions:
        """Who served when, and the way to another."""
        return Promotions(self.database, self.models, self.actor)

    def check(self) -> None:
        """Raises StoreError where the database does not answer, or a newer Lapel has migrated it."""
        self.database.check()
        self.database.require_known_schema()

    def close(self) -> None:
        """Give the database's connections back."""
        self.database.close()


def sqlite_url(folder: Path) -> str:
    """The URL of the embedded database in a folder."""
    return sa.URL.create("sqlite", database=str(folder / "lapel.db")).render_as_string(hide_password=False)
