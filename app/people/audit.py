"""The audit log on the page People: filters, a table, and all of it as CSV."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from app.text import counted
from core.csv_cells import escape_formula
from core.store import Store
from core.store.audit import AuditEntry

STEP = 100
LOOKED_THROUGH = 1000
"""The latest entries that the filters' choices are taken from."""
SHOWN_KEY = "log-shown"


def show(store: Store) -> None:
    """Filters and table; the CSV holds everything, whatever is filtered."""
    latest = store.audit.entries(most=LOOKED_THROUGH)
    if not latest:
        st.info(
            "No entries yet. Promotions, deletions, renamed categories and changed roles are logged here.",
            icon=":material/history:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        action = _choice("Action", "any", {entry.action for entry in latest}, "log-action")
        by = _choice("User", "any", {entry.by for entry in latest}, "log-by")
        st.space("stretch")
        st.download_button(
            "Download as CSV",
            lambda: csv_of(store),
            "audit-log.csv",
            "text/csv",
            icon=":material/download:",
            key="log-csv",
            on_click="ignore",
        )
    shown = st.session_state.setdefault(SHOWN_KEY, STEP)
    entries = store.audit.entries(most=shown + 1, action=action, by=by)
    if not entries:
        st.info("No entry passes the filters.", icon=":material/filter_list_off:")
        return
    _table(entries[:shown])
    if len(entries) > shown:
        st.button("Show more", icon=":material/expand_more:", key="log-more", on_click=_show_more)


def csv_of(store: Store) -> bytes:
    """The whole log, the oldest entry first."""
    out = io.StringIO()
    store.audit.export_csv(out)
    return out.getvalue().encode()


def details_of(entry: AuditEntry) -> str:
    """An entry's details in a line."""
    parts = (
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in entry.details.items()
        if value not in (None, "", [], {})
    )
    return ", ".join(parts)


def _choice(label: str, all_of_them: str, options: set[str], key: str) -> str | None:
    chosen = st.selectbox(
        label,
        ["", *sorted(options)],
        format_func=lambda option: option or all_of_them,
        key=key,
        width=200,
        on_change=lambda: st.session_state.update({SHOWN_KEY: STEP}),
    )
    return chosen or None


def _table(entries: Sequence[AuditEntry]) -> None:
    # The table's own CSV button writes cells unchanged, so they are neutralized here.
    rows = pd.DataFrame(
        {
            "When": [datetime.fromtimestamp(entry.at).astimezone() for entry in entries],
            "User": [escape_formula(entry.by) for entry in entries],
            "Action": [escape_formula(entry.action) for entry in entries],
            "Object": [escape_formula(entry.object) for entry in entries],
            "Details": [escape_formula(details_of(entry)) for entry in entries],
        }
    )
    st.dataframe(
        rows,
        hide_index=True,
        height="content" if len(rows) <= 15 else 560,
        column_config={
            "When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss", width="medium"),
            "Action": st.column_config.TextColumn(width="small"),
            "Details": st.column_config.TextColumn(width="large"),
        },
        alt=f"{counted(len(rows), 'entry', 'entries')} of the audit log, the latest first",
    )


def _show_more() -> None:
    st.session_state[SHOWN_KEY] += STEP
