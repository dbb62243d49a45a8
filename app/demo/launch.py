"""The demo: ``python -m app.demo [--port 7860] [--address 127.0.0.1]``.

One photo in, its garments, labels and maps out, as a page and as an API (``/label``, ``/explain``). Gradio
is loaded only once the address and the password are known to be in order: a refusal comes at once.
"""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NoReturn

from app.auth.config import is_loopback
from core.errors import AccessError, LapelError
from core.threads import IMPORTS, let_threads_sleep

if TYPE_CHECKING:
    import gradio as gr

    from app.demo.view import Explain, LabelerLike

PASSWORD_VARIABLE = "LAPEL_DEMO_PASSWORD"
EXIT_FAILED = 1
EXIT_REFUSED = 2
MAX_FILE_SIZE = "30mb"
MAX_WAITING = 20
CACHE_SWEEP_SECONDS = 600
CACHE_AGE_SECONDS = 1800
SESSIONS_KEPT = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the address, load the models, serve until stopped; the status is 2 for a refused address."""
    let_threads_sleep()
    chosen = parse(arguments)
    password = os.environ.get(PASSWORD_VARIABLE) or None
    try:
        require_password(chosen.address, password)
        prepare_environment()
        from core.inference.explain import explain
        from core.inference.labeler import Labeler

        with ThreadPoolExecutor(1) as beside:
            loading = beside.submit(Labeler.load)
            with IMPORTS:
                import gradio  # noqa: F401 - seconds, in which the models load
            labeler = loading.result()
        serve(labeler, explain, port=chosen.port, address=chosen.address, password=password)
    except AccessError as refused:
        print(refused, file=sys.stderr)
        return EXIT_REFUSED
    except LapelError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return 0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m app.demo", description="Open Lapel's demo and its API.")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default: %(default)s)")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.epilog = (
        f"{PASSWORD_VARIABLE} closes the demo with a password; other addresses are open only with one."
    )
    return parser.parse_args(arguments)


def require_password(address: str, password: str | None) -> None:
    """Let the demo out of this machine only behind a password.

    Raises:
        AccessError: for an address that others can reach while there is no password.
    """
    if password is None and not is_loopback(address):
        raise AccessError(
            "Without a password the demo opens on this machine only: expected 127.0.0.1, ::1 or localhost "
            f"as the address, or a password in {PASSWORD_VARIABLE}; got {address or 'every address'} alone."
        )


def prepare_environment() -> None:
    """Settings that must stand before Gradio is imported: no reports home, a private folder for uploads."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Gradio's own default is one folder in /tmp that every user of the machine shares.
    folder = tempfile.mkdtemp(prefix="lapel-demo-")
    os.environ["GRADIO_TEMP_DIR"] = folder
    os.environ["GRADIO_EXAMPLES_CACHE"] = f"{folder}/examples"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def build_demo(labeler: LabelerLike, explain: Explain) -> gr.Blocks:
    """The demo's page and API over any labeler; nothing listens yet."""
    import gradio as gr

    from app.demo.api import add_api
    from app.demo.page import add_navigation, add_page
    from app.demo.video import add_video_page

    with gr.Blocks(
        title="Lapel: labels for clothing photos",
        analytics_enabled=False,
        delete_cache=(CACHE_SWEEP_SECONDS, CACHE_AGE_SECONDS),
    ) as demo:
        add_navigation()
        add_page(labeler, explain)
        add_api(labeler, explain)
    with demo.route("Video", "video"):
        add_navigation()
        add_video_page(labeler)
    # Closed to direct calls, so that nobody bypasses the queue and its limit.
    return demo.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)


def serve(
    labeler: LabelerLike,
    explain: Explain,
    *,
    port: int = 7860,
    address: str = "127.0.0.1",
    password: str | None = None,
    wait: bool = True,
) -> gr.Blocks:
    """Serve the demo, until stopped when ``wait``, else from a thread until the result's ``close()``.

    A password is asked for under any user name, on the page and on every route that takes or gives photos.

    Raises:
        AccessError: for an address that others can reach without a password.
        LapelError: for a port that is taken.
    """
    require_password(address, password)
    from app.demo.api import fetch_nothing, guards, password_check
    from app.demo.live.routes import live_routes
    from app.demo.page import theme_and_css

    fetch_nothing()
    demo = build_demo(labeler, explain)
    host = f"[{address}]" if ":" in address and not address.startswith("[") else address
    print(f"Lapel's demo opens at http://{host}:{port}", file=sys.stderr, flush=True)
    if wait:
        signal.signal(signal.SIGTERM, _stop)
    try:
        demo.launch(
            server_name=host,
            server_port=port,
            auth=password_check(password) if password else None,
            auth_message="Any name, and the password that you were given.",
            max_file_size=MAX_FILE_SIZE,
            state_session_capacity=SESSIONS_KEPT,
            app_kwargs={
                "middleware": guards(open_to_all=password is None),
                "routes": live_routes(labeler),  # before Gradio's own
            },
            share=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            run_history=False,
            enable_monitoring=False,
            footer_links=["api", "settings"],
            quiet=True,
            prevent_thread_lock=not wait,
            **theme_and_css(),
        )
    except OSError as taken:
        raise LapelError(f"The demo cannot listen on {host}:{port}: {taken}") from taken
    except KeyboardInterrupt:  # stopped before Gradio began to wait for it
        demo.close()
    return demo


def _stop(*_: object) -> NoReturn:
    # How Gradio shuts down in order; a plain SIGTERM would leave the uploads behind.
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
