"""What people say of a photo as a whole: tags, which revisions keep, and comments; exports hold both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from core.access import LOCAL, Actor, Right, needs
from core.boxes import MOST_TAG, MOST_TAGS
from core.errors import StoreError
from core.store.database import Database
from core.store.schema import photo_comments, photo_tags, photos, revision_items, revision_tags
from core.store.versions import locked_photo

MOST_COMMENT = 2000
TAG_SEPARATOR = "; "


@dataclass(frozen=True)
class Comment:
    """A comment on a photo: who said it, and when (seconds since 1970 on the database's clock)."""

    id: int
    photo_id: int
    text: str
    by: str
    at: float


@dataclass(frozen=True)
class PhotoNotes:
    """Tags and comments of all photos. A tag is a short text; a photo has each once."""

    database: Database
    actor: Actor = LOCAL

    @needs(Right.READ)
    def comments(self, photo_id: int) -> tuple[Comment, ...]:
        """A photo's comments, the oldest first."""
        return self.comments_of([photo_id]).get(photo_id, ())

    @needs(Right.READ)
    def comments_of(self, photo_ids: Sequence[int]) -> dict[int, tuple[Comment, ...]]:
        """The comments of these photos by photo, the oldest first; photos without comments are left out."""
        return _comments(self.database, photo_comments.c.photo_id.in_(photo_ids))

    @needs(Right.READ)
    def newest_comment(self) -> int:
        """The number of the newest comment of all; 0 where there is none."""
        return int(self.database.rows(sa.select(sa.func.coalesce(sa.func.max(photo_comments.c.id), 0)))[0][0])

    @needs(Right.ANNOTATE)
    def comment(self, photo_id: int, text: str, author: str) -> Comment:
        """Add a comment. Raises StoreError for an empty or too long one, NotFoundError for no such photo."""
        text, by = text.replace("\x00", "").strip(), self.actor.known_as(author).name
        if not 1 <= len(text) <= MOST_COMMENT:
            raise StoreError(f"expected a comment of 1 to {MOST_COMMENT:,} characters, got {len(text):,}")
        values = {"photo_id": photo_id, "text": text, "by": by, "at": self.database.now}
        added = sa.insert(photo_comments).values(**values).returning(*photo_comments.c)
        with self.database.write() as connection:
            locked_photo(connection, photo_id)
            row = connection.execute(added).one()
        return Comment(row.id, row.photo_id, row.text, row.by, row.at)

    @needs(Right.READ)
    def tags_of(self, photo_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """The tags of these photos by photo, sorted; photos without tags are left out."""
        found = sa.select(photo_tags.c.photo_id, photo_tags.c.tag).where(photo_tags.c.photo_id.in_(photo_ids))
        rows = self.database.rows(found.order_by(photo_tags.c.photo_id, photo_tags.c.tag))
        return _by_photo((row.photo_id, row.tag) for row in rows)

    @needs(Right.READ)
    def known_tags(self) -> dict[str, int]:
        """All tags of live photos by name, with the number of their photos."""
        found = sa.select(photo_tags.c.tag, sa.func.count().label("photos")).join_from(photo_tags, photos)
        found = found.where(photos.c.deleted_at.is_(None)).group_by(photo_tags.c.tag)
        return {row.tag: row.photos for row in self.database.rows(found.order_by(photo_tags.c.tag))}

    @needs(Right.ANNOTATE)
    def tag(
        self, photo_ids: Iterable[int], author: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        """Give tags to photos, and take others from them; a photo that has one already keeps it as it is.

        Raises StoreError for a text that can be no tag or more than 50 of a photo, NotFoundError where a
        photo is gone: then nothing was changed.
        """
        added, by = [tag_name(text) for text in add], self.actor.known_as(author).name
        gone = [" ".join(text.split()) for text in remove]
        with self.database.write() as connection:
            for photo_id in photo_ids:
                locked_photo(connection, photo_id)
                of_photo = photo_tags.c.photo_id == photo_id
                connection.execute(sa.delete(photo_tags).where(of_photo, photo_tags.c.tag.in_(gone)))
                for name in added:
                    values = {"photo_id": photo_id, "tag": name, "by": by, "at": self.database.now}
                    insert = self.database.insert(photo_tags).values(**values)
                    connection.execute(insert.on_conflict_do_nothing())
                count = sa.select(sa.func.count()).select_from(photo_tags).where(of_photo)
                if connection.execute(count).scalar_one() > MOST_TAGS:
                    raise StoreError(f"expected at most {MOST_TAGS} tags on a photo")


def tag_name(text: str) -> str:
    """A tag as it is kept, single blanks between its words.

    Raises StoreError for an empty text, one of over 60 characters, and one with a semicolon, which separates
    tags in tables.
    """
    name = " ".join(text.split())
    if not 1 <= len(name) <= MOST_TAG or ";" in name or not name.isprintable():
        raise StoreError(
            f"expected a tag of 1 to {MOST_TAG} characters without semicolons, got {text[:80]!r}"
        )
    return name


def current_tags(connection: Connection) -> dict[int, tuple[str, ...]]:
    """The tags of all live photos by photo, sorted."""
    found = sa.select(photo_tags.c.photo_id, photo_tags.c.tag).join_from(photo_tags, photos)
    found = found.where(photos.c.deleted_at.is_(None)).order_by(photo_tags.c.photo_id, photo_tags.c.tag)
    return _by_photo((row.photo_id, row.tag) for row in connection.execute(found))


def freeze_tags(connection: Connection, revision: int, tags: Mapping[int, tuple[str, ...]]) -> None:
    """Keep the photos' tags as they are with a revision."""
    rows = [
        {"revision": revision, "photo_id": photo, "tag": tag} for photo, own in tags.items() for tag in own
    ]
    if rows:
        connection.execute(sa.insert(revision_tags), rows)


def frozen_tags(database: Database, revision: int) -> dict[int, tuple[str, ...]]:
    """The tags that a revision's photos had when it was made, by photo."""
    found = sa.select(revision_tags.c.photo_id, revision_tags.c.tag).where(
        revision_tags.c.revision == revision
    )
    rows = database.rows(found.order_by(revision_tags.c.photo_id, revision_tags.c.tag))
    return _by_photo((row.photo_id, row.tag) for row in rows)


def comments_in(database: Database, revision: int) -> dict[int, tuple[Comment, ...]]:
    """The comments of a revision's photos by photo, also those that came after it."""
    its_photos = sa.select(revision_items.c.photo_id).where(revision_items.c.revision == revision)
    return _comments(database, photo_comments.c.photo_id.in_(its_photos))


def _comments(database: Database, chosen: sa.ColumnElement[bool]) -> dict[int, tuple[Comment, ...]]:
    found: dict[int, tuple[Comment, ...]] = {}
    for row in database.rows(sa.select(photo_comments).where(chosen).order_by(photo_comments.c.id)):
        comment = Comment(row.id, row.photo_id, row.text, row.by, row.at)
        found[comment.photo_id] = (*found.get(comment.photo_id, ()), comment)
    return found


def _by_photo(rows: Iterable[tuple[int, str]]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for photo_id, tag in rows:
        found[photo_id] = (*found.get(photo_id, ()), tag)
    return found
