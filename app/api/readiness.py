"""What runs the workspace wants to know: whether it is ready, and its log as JSON (``LAPEL_LOG=json``)."""

from __future__ import annotations

import logging

import streamlit.logger
import uvicorn.config
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from app.resources import machine_store
from core.errors import LapelError
from core.logs import is_json, start_logs
from core.store.projects import FIRST


def answer_ready(_: Request) -> PlainTextResponse:
    """200 where the store is open and its database answers, else 503 with a sentence; needs no sign-in."""
    try:
        machine_store(FIRST).check()
    except LapelError as error:
        return PlainTextResponse(f"{error}\n", 503)
    return PlainTextResponse("ok\n")


def start_server_logs() -> None:
    """Have the server's log be JSON where that is asked for. Raises LapelError for what is no kind."""
    start_logs()
    if is_json():
        # Streamlit gives each logger a handler of its own, also those that come later, and uvicorn's.
        streamlit.logger.setup_formatter = _without_handler
        streamlit.logger.update_formatter()
        uvicorn.config.LOGGING_CONFIG |= {"handlers": {}, "loggers": {"uvicorn": {"level": "INFO"}}}


def _without_handler(logger: logging.Logger) -> None:
    handler = getattr(logger, "streamlit_console_handler", None)
    if handler is not None:
        logger.removeHandler(handler)
    logger.propagate = True
