"""The page API: one's own tokens, how to call, and, for admins, webhooks with their deliveries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.auth.identity import workspace_store
from app.text import counted, flash, literal, moment, show_flash
from core.access import Right
from core.errors import LapelError
from core.store import Store
from core.store.api_tokens import ApiToken
from core.store.webhooks import EVENTS, Webhook

LABEL_KEY, DAYS_KEY, TOKEN_KEY, RESULT_KEY = "token-label", "token-days", "token-new", "api-result"
URL_KEY, EVENTS_KEY, SECRET_KEY = "webhook-url", "webhook-events", "webhook-secret"
LASTING: dict[str, int | None] = {"30 days": 30, "1 year": 365, "no end": None}
DOCUMENTATION = "/api/"
STATES = {"waiting": "waiting", "delivered": "delivered", "failed": "given up"}
MEANINGS = {
    "annotation.saved": "somebody has submitted or reviewed a photo",
    "revision.created": "a revision was made",
    "training.ended": "a training is done, failed or cancelled",
    "model.promoted": "another model serves",
}

CURL = """export LAPEL=WORKSPACE TOKEN=...

# label a photo; nothing is stored
curl -H "Authorization: Bearer $TOKEN" -F file=@photo.jpg "$LAPEL/api/v1/label"

# import photos, then ask for the report
curl -H "Authorization: Bearer $TOKEN" -F files=@photos.zip "$LAPEL/api/v1/photos"
curl -H "Authorization: Bearer $TOKEN" "$LAPEL/api/v1/imports/1"
"""

PYTHON = """from app.api.client import Lapel  # or a copy of the file app/api/client.py; it needs httpx

with Lapel("WORKSPACE", token="...") as lapel:
    for garment in lapel.label("photo.jpg")["garments"]:
        print(garment["category"], garment["top5"][0])
    report = lapel.wait_for_import(lapel.add_photos(["photos.zip"])["import"])
    print(report["counts"], report["report"])
"""


def show_tokens(store: Store) -> None:
    """One's own tokens (an admin sees those of all), and the form that makes one."""
    show_flash(RESULT_KEY)
    fresh = st.session_state.pop(TOKEN_KEY, "")
    if fresh:
        st.success("Copy the token now: it is not shown again.", icon=":material/key:")
        st.code(fresh, language=None)
    st.caption("A token acts in your name, with the rights that you have at that moment.")
    with st.form("token-form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("What for", key=LABEL_KEY, placeholder="shop sync", max_chars=200)
        st.selectbox("Valid for", list(LASTING), index=1, key=DAYS_KEY, width=140)
        st.form_submit_button("Make a token", icon=":material/add:", on_click=_make_token)
    tokens = store.api_tokens.all()
    if not tokens:
        st.info("There is no token yet. Make one for each script, so that each can be revoked alone.")
    for token in tokens:
        _token(token, names_person=store.actor.may(Right.PEOPLE))


def show_calls(address: str) -> None:
    """How to call, to copy; ``address`` is the workspace's as the browser knows it."""
    st.markdown(
        f"Everything that the pages do can be done over HTTP. [The documentation]({DOCUMENTATION}) lists all "
        "calls with their fields; `/api/v1/openapi.json` describes them for machines."
    )
    for words, code, language in (("Shell", CURL, "bash"), ("Python", PYTHON, "python")):
        st.subheader(words)
        st.code(code.replace("WORKSPACE", address), language=language)


def show_webhooks(store: Store) -> None:
    """The webhooks with their latest deliveries, and the form that adds one."""
    show_flash(RESULT_KEY)
    secret = st.session_state.pop(SECRET_KEY, "")
    if secret:
        st.success("Copy the secret now, to verify signatures: it is not shown again.", icon=":material/key:")
        st.code(secret, language=None)
    st.caption(
        "Lapel posts JSON to an address when something happens, signed as "
        "[Standard Webhooks](https://www.standardwebhooks.com) says. A worker delivers it, and tries again "
        "for a day and a half where the address does not answer."
    )
    with st.form("webhook-form", border=False):
        st.text_input("Address", key=URL_KEY, placeholder="https://example.com/lapel")
        st.multiselect(
            "Events",
            EVENTS,
            default=list(EVENTS),
            key=EVENTS_KEY,
            format_func=lambda e: f"{e}: {MEANINGS[e]}",
        )
        st.form_submit_button("Add a webhook", icon=":material/add:", on_click=_add_webhook)
    webhooks = store.webhooks.all()
    if not webhooks:
        st.info("No address is told of anything yet.", icon=":material/webhook:")
    for webhook in webhooks:
        with st.expander(
            literal(webhook.url) + ("" if webhook.active else " · paused"), key=f"hook-{webhook.id}"
        ):
            _webhook(store, webhook)


def _token(token: ApiToken, *, names_person: bool) -> None:
    words, action = st.columns([5, 1], vertical_alignment="center")
    with words, st.container(gap=None):
        st.text(token.label)
        used = f"last used {moment(token.used_at)}" if token.used_at else "never used"
        ends = f"valid until {moment(token.expires_at)}" if token.expires_at else "valid without end"
        whose = [f"of {literal(token.person)}"] if names_person else []
        st.caption(" · ".join([*whose, f"made {moment(token.at)}", used, ends]))
    action.button(
        "Revoke", key=f"revoke-{token.id}", icon=":material/delete:",
        on_click=_perform,
        args=(lambda store: store.api_tokens.revoke(token.id), f"{token.label} is revoked."),
    )  # fmt: skip


def _webhook(store: Store, webhook: Webhook) -> None:
    st.caption(
        f"Told of {', '.join(webhook.events)}. Added by {literal(webhook.by)} on {moment(webhook.at)}."
    )
    pause, paused = ("Pause", False) if webhook.active else ("Go on", True)
    with st.container(horizontal=True):
        _button(f"test-{webhook.id}", "Send a test", ":material/send:", lambda s: s.webhooks.test(webhook.id))
        _button(
            f"pause-{webhook.id}",
            pause,
            ":material/pause:",
            lambda s: s.webhooks.set_active(webhook.id, paused),
        )
        _button(
            f"remove-{webhook.id}", "Remove", ":material/delete:", lambda s: s.webhooks.remove(webhook.id)
        )
    found = store.webhooks.deliveries(webhook.id)
    if not found:
        st.caption("Nothing was delivered yet.")
        return
    st.dataframe(
        {
            "Event": [row.event for row in found],
            "State": [STATES[row.state] for row in found],
            "Attempts": [row.attempts for row in found],
            "Last answer": [row.message for row in found],
            "At": [moment(row.at) for row in found],
        },
        hide_index=True,
        alt=f"{counted(len(found), 'delivery', 'deliveries')}, newest first",
    )
    failed = [row for row in found if row.state == "failed"]
    if failed:
        again = f"Try {counted(len(failed), 'failed delivery', 'failed deliveries')} again"
        _button(
            f"again-{webhook.id}", again, ":material/replay:",
            lambda s: [s.webhooks.redeliver(row.uid) for row in failed],
        )  # fmt: skip


def _button(key: str, label: str, icon: str, action: Callable[[Store], Any]) -> None:
    st.button(label, key=key, icon=icon, on_click=_perform, args=(action, ""))


def _perform(action: Callable[[Store], Any], message: str) -> None:
    try:
        action(workspace_store())
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
    else:
        if message:
            flash(RESULT_KEY, message)


def _make_token() -> None:
    try:
        lasts = LASTING[st.session_state[DAYS_KEY]]
        token = workspace_store().api_tokens.create(st.session_state[LABEL_KEY], days=lasts)
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
    else:
        st.session_state[TOKEN_KEY], st.session_state[LABEL_KEY] = token, ""


def _add_webhook() -> None:
    try:
        made = workspace_store().webhooks.add(st.session_state[URL_KEY], st.session_state[EVENTS_KEY])
    except LapelError as error:
        flash(RESULT_KEY, str(error), error=True)
    else:
        st.session_state[SECRET_KEY], st.session_state[URL_KEY] = made.secret, ""
