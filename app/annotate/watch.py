"""A look now and then at whether the photo at hand is still kept for the person at the page."""

from __future__ import annotations

import time

import streamlit as st

from app.annotate.session import Desk
from app.wording import literal
from core.errors import LapelError, NotFoundError
from core.store import Store
from core.store.queue import LEASE_SECONDS

TICK_SECONDS = 30.0


def show(store: Store, desk: Desk) -> None:
    """Say it once the person's time with a photo has run out; until then there is nothing to see."""
    st.fragment(_watch, run_every=TICK_SECONDS)(store, desk)


def _watch(store: Store, desk: Desk) -> None:
    said = run_out(store, desk)
    if said:
        st.warning(literal(said), icon=":material/timer_off:")


def run_out(store: Store, desk: Desk) -> str:
    """What to say about a lease that was not renewed in time; empty while it runs."""
    opened = desk.opened
    if opened is None or not opened.holds or time.monotonic() - desk.renewed_at < LEASE_SECONDS:
        return ""
    assert opened.task is not None
    try:
        task = store.queue.get(opened.task.id)
    except NotFoundError:
        return "Your time with this photo ran out, and somebody else has it now. Your work is kept."
    except LapelError:
        return ""  # the next look may find out
    if task.state != "open":
        return "Somebody has submitted this photo in the meantime. You can compare when you submit."
    if task.lease_by not in (None, desk.person):
        return f"Your time with this photo ran out, and {task.lease_by} has it now. Your work is kept."
    return (
        "Your time with this photo ran out; nobody else has taken it, and your next change keeps it for you."
    )
