"""What a single value of a backup must be: by its column's type, its name, and the shape of its JSON.

Each check raises ValueError that says what was expected. Saving makes such values only; a file from elsewhere
may hold any.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.access import Role
from core.boxes import MOST_FLAGS, MOST_TAG, flag_name
from core.datasets.parsing import MOST_BOXES
from core.images.decode import MAX_SIDE
from core.images.perceptual_hash import HASH_BYTES
from core.store.boxes import MOST_LABEL, ORIGINS
from core.store.jobs import ENDED, GOING
from core.store.models import KINDS
from core.store.photo_notes import MOST_COMMENT, tag_name
from core.store.trainings import MODES
from core.store.versions import REVIEWED, SUBMITTED
from core.store.webhooks import EVENTS, TEST_EVENT, checked_url
from core.store.webhooks import STATES as DELIVERY_STATES
from core.value_checks import (
    LARGEST_BIG_INTEGER,
    LARGEST_INTEGER,
    Check,
    any_object,
    corners,
    fields,
    integer,
    json_value,
    list_of,
    map_of,
    name,
    number,
    one_of,
    or_none,
    pair,
    positive,
    require,
    share,
    text,
    truth,
)

LATEST_SECONDS = 250_000_000_000.0
"""Of a time stamp: some day in the year 9892, before the calendar of Python ends."""


_DIGEST = re.compile("[0-9a-f]{64}")
_STATES = (*GOING, *ENDED)
_ACTIONS = ("first", "update", "promote", "overrule", "rollback")
_ARMS = ("cold", "selected", "control", "second", "returned")
_ROLES = tuple(role.value for role in Role)


def check_type(column: sa.Column[Any], value: Any) -> None:
    """Whether a value is what its column holds: its type, length and range."""
    if value is None:
        require(bool(column.nullable), "a value")
        return
    kind = column.type
    if isinstance(kind, sa.Boolean):
        require(isinstance(value, bool), "true or false")
    elif isinstance(kind, sa.Integer):
        most = LARGEST_BIG_INTEGER if isinstance(kind, sa.BigInteger) else LARGEST_INTEGER
        integer(value, 1 if column.primary_key and column.name != "step" else 0, most)
    elif isinstance(kind, sa.Double):
        number(value)
    elif isinstance(kind, sa.LargeBinary):
        require(isinstance(value, bytes), "bytes")
    elif isinstance(kind, sa.String):
        text(value, kind.length)
    else:
        json_value(value)


def check_content(table: str, column: str, value: Any) -> None:
    """Whether a value that has its column's type is one that this column may have."""
    if value is None:
        return
    if column == "at" or column.endswith(("_at", "_until")):
        number(value, 0.0, LATEST_SECONDS)
    elif column in ("digest", "blob", "thumbnail"):
        require(_DIGEST.fullmatch(value) is not None, "a SHA-256 in hex")
    check = _CHECKS.get((table, column))
    if check is not None:
        check(value)


def saved_boxes(value: Any) -> None:
    """Boxes of an annotation or a draft in their saved form; ``boxes_from`` checks the rest."""
    require(isinstance(value, list) and len(value) <= MOST_BOXES, f"a list of at most {MOST_BOXES} boxes")
    for entry in value:
        fields(entry, _BOX, {"uid", "box", "category"})


def _garments(value: Any) -> None:
    require(isinstance(value, list), "a list of garments")
    for entry in value:
        fields(entry, _GARMENT, {"box", "category", "score", "top5"})


def _embedding(value: bytes) -> None:
    whole = len(value) % 2 == 0
    require(whole and bool(np.isfinite(np.frombuffer(value, "<f2")).all()), "finite numbers of 16 bits")


def _perceptual_hash(value: bytes) -> None:
    require(len(value) == HASH_BYTES, f"{HASH_BYTES} bytes")


def _side(value: Any) -> None:
    integer(value, 1, MAX_SIDE)


def _address(value: str) -> None:
    checked_url(value)


def _tag(value: Any) -> None:
    text(value, MOST_TAG)
    require(tag_name(value) == value, "a tag with single blanks")


def _flags(value: Any) -> None:
    list_of(name)(value)
    require(len(set(value)) == len(value) <= MOST_FLAGS, f"each attribute once, at most {MOST_FLAGS}")
    require(all(flag_name(entry) == entry for entry in value), "names of attributes without blanks")


_RANKED = list_of(pair(name, share))
_BOX: dict[str, Check] = {
    "uid": lambda value: text(value, 64),
    "box": corners,
    "category": positive,
    "label": or_none(lambda value: text(value, MOST_LABEL)),
    "origin": one_of(ORIGINS),
    "changed": truth,
    "accepted": truth,
    "score": or_none(share),
    "top5": _RANKED,
    "flags": _flags,
}
_GARMENT: dict[str, Check] = {
    "box": corners,
    "category": name,
    "score": share,
    "top5": _RANKED,
    "detector": pair(name, share),
    "classifier": pair(name, share),
    "corrected": truth,
    "label": name,
}
_AGREEMENT: dict[str, Check] = {
    "mean_iou": share, "matched": integer, "only_first": integer, "only_second": integer,
    "same_category": integer,
}  # fmt: skip
_CHECKS: dict[tuple[str, str], Check] = {
    ("imports", "state"): one_of(_STATES),
    ("imports", "counts"): map_of(integer),
    ("photos", "name"): name,
    ("photos", "width"): _side,
    ("photos", "height"): _side,
    ("photos", "perceptual_hash"): _perceptual_hash,
    ("categories", "name"): name,
    ("predictions", "garments"): _garments,
    ("predictions", "embedding"): _embedding,
    ("annotations", "version"): positive,
    ("annotations", "kind"): one_of((*SUBMITTED, *REVIEWED)),
    ("annotations", "boxes"): saved_boxes,
    ("annotations", "seconds"): lambda value: number(value, 0.0, LATEST_SECONDS),
    ("annotations", "request"): name,
    ("drafts", "boxes"): saved_boxes,
    ("photo_tags", "tag"): _tag,
    ("revision_tags", "tag"): _tag,
    ("photo_comments", "text"): lambda value: text(value, MOST_COMMENT),
    ("tasks", "kind"): one_of(("first", "second")),
    ("tasks", "state"): one_of(("open", "done", "dropped")),
    ("tasks", "arm"): one_of(_ARMS),
    ("tasks", "reasons"): list_of(text),
    ("tasks", "parts"): map_of(number),
    ("consensus_reviews", "first_version"): positive,
    ("consensus_reviews", "second_version"): positive,
    ("consensus_reviews", "agreement"): lambda value: fields(value, _AGREEMENT, _AGREEMENT.keys()),
    ("consensus_reviews", "verdict"): one_of(REVIEWED),
    ("revisions", "categories"): list_of(pair(positive, name)),
    ("api_tokens", "person"): name,
    ("api_tokens", "label"): name,
    ("webhooks", "url"): _address,
    ("webhooks", "events"): list_of(one_of(EVENTS)),
    ("webhooks", "secret"): name,
    ("webhook_deliveries", "uid"): name,
    ("webhook_deliveries", "event"): one_of((*EVENTS, TEST_EVENT)),
    ("webhook_deliveries", "state"): one_of(DELIVERY_STATES),
    ("jobs", "kind"): one_of(("import", "label", "order", "score", "train")),
    ("jobs", "state"): one_of(_STATES),
    ("people", "name"): name,
    ("people", "role"): one_of(_ROLES),
    ("people", "claimed"): list_of(text),
    ("audit", "details"): any_object,
    ("trainings", "kind"): one_of(KINDS),
    ("trainings", "mode"): one_of(MODES),
    ("trainings", "state"): one_of(_STATES),
    ("trainings", "settings"): any_object,
    ("training_points", "values"): map_of(or_none(number)),
    ("models", "kind"): one_of(KINDS),
    ("models", "name"): name,
    ("champions", "kind"): one_of(KINDS),
    ("promotions", "kind"): one_of(KINDS),
    ("promotions", "action"): one_of(_ACTIONS),
    ("promotions", "request"): name,
}
