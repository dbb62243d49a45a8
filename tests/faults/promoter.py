"""A process that adds, promotes and rolls back models until it is killed, and tells of each thing done."""

from __future__ import annotations

import time
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from core.errors import ConflictError, NotFoundError, StoreError
from core.models import cards
from core.store import Store
from tests.core.store.models import candidate_file
from tests.faults.processes import tell
from tests.faults.writer import patiently

__all__ = ["promote_one", "turn_over"]
PACE_SECONDS = 1.0


def opened(url: str, folder: Path, ships: Path) -> Store:
    """The store, with these weights in the place of those that ship."""
    cards.WEIGHTS_FOLDER = ships
    return patiently(lambda: Store.open(url, folder))


def turn_over(pipe: Connection, url: str, folder: Path, ships: Path, seed: str) -> None:
    """Change who serves, for ever."""
    store, random = opened(url, folder, ships), Random(seed)
    patiently(store.models.register_shipped)
    tell(pipe, what="ready")
    for number in count():
        request = f"{seed}-{number}"
        try:
            if number == 0 or random.random() < 0.2:
                file = candidate_file(ships / "detector.safetensors", folder / f"{request}.safetensors",
                                      name=request, shift=random.uniform(0.001, 0.01))  # fmt: skip
                added = patiently(partial(store.models.add, file))
                tell(pipe, what="added", model=added.id, digest=added.digest)
            elif random.random() < 0.4:
                made = patiently(partial(store.promotions.rollback, "detector", request=request))
                tell(pipe, what="rollback", model=made.model_id, request=request)
            else:
                made = patiently(partial(_take_over, store, random, request))
                tell(pipe, what="overrule", model=made.model_id, request=request)
        except (ConflictError, NotFoundError, StoreError):
            continue  # it serves already, or there is none to go back to


def promote_one(
    pipe: Connection, url: str, folder: Path, ships: Path, model: int, champion: int, request: str
) -> None:
    """Promote a model over a champion at the moment when all others do."""
    store = opened(url, folder, ships)
    tell(pipe, what="ready")
    while not (folder / "go").exists():
        time.sleep(0.001)
    promote = partial(store.promotions.promote, model, expected_champion=champion, request=request)
    try:
        made = patiently(partial(promote, overrule_reason="a race"))
        tell(pipe, won=True, promotion=made.id)
    except ConflictError as error:
        tell(pipe, won=False, said=str(error))


def _take_over(store: Store, random: Random, request: str):
    chosen = random.choice(store.models.all("detector"))
    serving = store.models.champion("detector")
    return store.promotions.promote(
        chosen.id, expected_champion=serving.id, request=request, overrule_reason="to see"
    )
