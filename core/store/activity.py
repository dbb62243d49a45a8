"""How much was done lately: counts over the last seconds of the database's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from core.access import Right, needs
from core.store.schema import annotations as versions
from core.store.schema import predictions, webhook_deliveries

if TYPE_CHECKING:
    from core.store import Store


@dataclass(frozen=True)
class Activity:
    """The database's time in seconds since 1970, what was done before it, and what is due."""

    now: float
    labeled: int
    annotated: int
    webhooks_due: int


@needs(Right.READ)
def activity(store: Store, seconds: float) -> Activity:
    """Predictions and annotations (imported ones apart) of the last ``seconds``."""
    since = store.database.now - seconds
    labeled = sa.select(sa.func.count()).select_from(predictions).where(predictions.c.at > since)
    annotated = sa.select(sa.func.count()).select_from(versions)
    annotated = annotated.where(versions.c.at > since, versions.c.kind != "imported")
    due = (webhook_deliveries.c.state == "waiting", webhook_deliveries.c.next_at <= store.database.now)
    waiting = sa.select(sa.func.count()).select_from(webhook_deliveries).where(*due)
    chosen = sa.select(
        sa.select(store.database.now).scalar_subquery(), labeled.scalar_subquery(),
        annotated.scalar_subquery(), waiting.scalar_subquery(),
    )  # fmt: skip
    row = store.database.rows(chosen)[0]
    return Activity(float(row[0]), *map(int, row[1:]))
