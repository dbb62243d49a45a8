"""The workspace's launcher: ``python -m app``."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import tomllib
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Route
from streamlit import runtime

from app.api.lazy import api_routes
from app.api.readiness import answer_ready, start_server_logs
from app.auth.config import AuthFile, find_auth_file, require_loopback
from app.auth.frontend_messages import FrontendMessages
from app.auth.media_owners import MediaOwners, person_of_run
from app.auth.middleware import READY, KnownHosts, SignedInOnly
from app.auth.origins import OwnOriginOnly, SecurityHeaders
from app.auth.sign_in import SignInRedirect
from app.auth.upload_limit import limit_from_environment
from app.auth.uploads import BoundedUploads, UploadQuota, has_uploader, is_open
from app.auth.visitor import VisitorCookie
from app.media import keep_dropped
from app.worker_process import WORKERS
from core.errors import LapelError
from core.files import DATA_VARIABLE, data_folder
from core.logs import announce, is_json
from core.store.projects import FIRST
from core.threads import IMPORTS, use_passive_waiting

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "streamlit_config.toml"
EXIT_REFUSED = 2


def dotted(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A TOML table as Streamlit's options: ``{"server": {"port": 1}}`` gives ``{"server.port": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= dotted(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m app", description="Open Lapel's workspace.")
    parser.add_argument("--port", type=int, default=8501, help="port to listen on (default: %(default)s)")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    default_data = f"folder of Lapel's data (default: {data_folder()})"
    parser.add_argument("--data", type=Path, metavar="DIR", help=default_data)
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    no_worker = "leave background jobs to python -m core worker"
    parser.add_argument("--no-worker", action="store_true", help=no_worker)
    return parser.parse_args(arguments)


def options(port: int, address: str, auth: AuthFile | None = None) -> dict[str, Any]:
    """Streamlit's options: the file's, with the command's port and address over them, and the sign-in's."""
    with CONFIG.open("rb") as file:
        settings = dotted(tomllib.load(file))
    settings |= {"server.port": port, "server.address": address, "server.headless": True}
    if auth is None:
        return settings | {"secrets.files": []}
    signed_in = {"secrets.files": [str(auth.path)], "server.allowedHosts": auth.hosts}
    return settings | signed_in | {"server.corsAllowedOrigins": [auth.origin]}


def lifespan_of(
    owners: MediaOwners, quota: UploadQuota, url: str | None
) -> Callable[[st.App], AbstractAsyncContextManager[None]]:
    """A hook for when the server has started: track media and uploads, import the pages, open the browser."""

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[None]:
        server = runtime.get_instance()
        keep_dropped(server.media_file_mgr)
        owners.watch(server.media_file_mgr, person_of_run)
        quota.watch(server.uploaded_file_mgr, has_uploader, is_open)
        threading.Thread(target=prepare, name="prepare", daemon=True).start()
        if url is not None:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        yield

    return lifespan


def prepare() -> None:
    """Import the pages, and clear up after killed processes, while the first browser loads."""
    with IMPORTS:
        from app.navigation import import_all_modules
        from core.store.photo_drafts import sweep_drafts

    import_all_modules()
    sweep_drafts()


def workspace(open_at: str | None = None, origin: str | None = None) -> st.App:
    """The workspace as an ASGI application; ``open_at`` is shown in a browser once it is up.

    ``origin`` is the address that a sign-in is configured for. Raises AccessError for a limit of uploads that
    is none.
    """
    owners, quota = MediaOwners(), UploadQuota(limit_from_environment())

    def allowed_origins() -> list[str]:
        configured = st.get_option("server.corsAllowedOrigins") or ()
        return [*([origin] if origin else []), *(str(allowed).strip() for allowed in configured)]

    middleware = [
        Middleware(SecurityHeaders),
        Middleware(KnownHosts),
        Middleware(OwnOriginOnly, also=allowed_origins),
        Middleware(SignedInOnly, owners=owners),
        Middleware(BoundedUploads, quota=quota),
        Middleware(SignInRedirect),
        Middleware(VisitorCookie),
        Middleware(FrontendMessages),
    ]
    lifespan = lifespan_of(owners, quota, open_at)
    return st.App(
        ROOT / "app" / "main.py",
        middleware=middleware,
        lifespan=lifespan,
        routes=[Route(READY, answer_ready), *api_routes()],
    )


def permitted(address: str, port: int) -> tuple[str, AuthFile | None]:
    """The address to listen on, and the sign-in; AccessError where others could reach it without one."""
    auth = find_auth_file(ROOT, port)
    return (address if auth else require_loopback(address)), auth


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the address, make the data folder, and serve until stopped; the exit status is 2 when refused."""
    use_passive_waiting()
    chosen = parse(arguments)
    try:
        start_server_logs()
        address, auth = permitted(chosen.address, chosen.port)
        limit_from_environment()
    except LapelError as refused:
        print(refused, file=sys.stderr)
        return EXIT_REFUSED
    if chosen.data is not None:
        os.environ[DATA_VARIABLE] = str(chosen.data.expanduser().resolve())
    try:
        data_folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"Expected a folder to write to, got {data_folder()}: {error.strerror}.", file=sys.stderr)
        return EXIT_REFUSED
    host = f"[{address}]" if ":" in address else address
    url = auth.origin if auth else f"http://{host}:{chosen.port}"
    opening = f"Lapel opens at {url} (data in {data_folder()})"
    if is_json():
        announce(opening, url=url)
    else:
        print(opening, flush=True)
    if auth is not None and auth.is_in_clear:
        print(f"{auth.origin} is not https: others on the way can read what people see.", file=sys.stderr)
    if not chosen.no_worker:
        WORKERS.enable()
        WORKERS.start(FIRST)
    try:
        open_at, origin = None if chosen.no_browser else url, auth.origin if auth else None
        workspace(open_at, origin).run(config=options(chosen.port, address, auth))
    finally:
        WORKERS.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
