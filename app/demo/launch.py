"""The demo: ``python -m app.demo [--port 7860] [--address 127.0.0.1] [--examples DIR]``.

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
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from app.auth.config import is_loopback
from app.preview.samples import PHOTO_ENDINGS, fetch_samples
from core.errors import AccessError, LapelError
from core.files import data_folder
from core.threads import IMPORTS, use_passive_waiting

if TYPE_CHECKING:
    import gradio as gr

    from app.demo.view import Explain
    from core.garments import LabeledPhoto
    from core.images.decode import Photo
    from core.inference.labeler import Labeler, PhotoLabeler

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
    use_passive_waiting()
    chosen = parse(arguments)
    password = os.environ.get(PASSWORD_VARIABLE) or None
    try:
        require_password(chosen.address, password)
        folder = chosen_folder(chosen.examples, chosen.fetch_examples)
        prepare_environment()
        from core.inference.explain import explain

        labeler = LoadingLabeler()
        with IMPORTS:
            import gradio  # noqa: F401 - seconds, in which the models load
        serve(
            labeler, explain, port=chosen.port, address=chosen.address, password=password,
            examples=folder, loading=labeler.loading,
        )  # fmt: skip
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
    parser.add_argument(
        "--examples", metavar="DIR", type=Path,
        help="folder of photos to offer as examples, of which five are shown (default: the photos that were "
        "fetched, else drawn samples)",
    )  # fmt: skip
    parser.add_argument(
        "--fetch-examples", action="store_true",
        help="first fetch a dozen free photos (CC0, the Clothing dataset on GitHub), once",
    )  # fmt: skip
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


def chosen_folder(named: Path | None, fetch: bool = False) -> Path | None:
    """The folder of the example photos; None for the drawn samples.

    Without a name it is the one that free photos are fetched into, here or in the workspace, if it has any.

    Raises:
        LapelError: for a folder that is not there or has no photos, and where nothing could be fetched.
    """
    fetched = data_folder() / "samples"
    if fetch:
        print("Fetching a dozen free photos ...", file=sys.stderr, flush=True)
        fetch_samples(fetched)
    if named is None:
        return fetched if _has_photos(fetched) else None
    if not _has_photos(named):
        what = "one without any" if named.is_dir() else "no folder"
        raise LapelError(f"Expected a folder with JPEG, PNG or WebP photos as examples, got {what}: {named}")
    return named


def _has_photos(folder: Path) -> bool:
    try:
        return any(path.suffix.lower() in PHOTO_ENDINGS for path in folder.iterdir())
    except OSError:
        return False


class LoadingLabeler:
    """The labeler that ships, while it loads beside: what needs the models waits for them.

    ``loading`` ends with it, or with the LapelError that says why it could not be loaded. Raises WeightsError
    for a detector's card that cannot be read, from which the threshold comes at once.
    """

    def __init__(self) -> None:
        from core.inference.labeler import Labeler
        from core.models.cards import read_card, shipped_weights

        self.default_threshold = read_card(shipped_weights("detector")).score_threshold
        beside = ThreadPoolExecutor(1)
        self.loading = beside.submit(Labeler.load)
        beside.shutdown(wait=False)

    @property
    def names(self) -> dict[str, str]:
        """What labels a photo."""
        return self.loading.result().names

    def label(self, photo: Photo, score_threshold: float | None = None) -> LabeledPhoto:
        """The photo's garments above the threshold, best first."""
        return self.loading.result().label(photo, score_threshold)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loading.result(), name)


def prepare_environment() -> None:
    """Settings that must stand before Gradio is imported: no reports home, a private folder for uploads."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Gradio's own default is one folder in /tmp that every user of the machine shares.
    folder = tempfile.mkdtemp(prefix="lapel-demo-")
    os.environ["GRADIO_TEMP_DIR"] = folder
    os.environ["GRADIO_EXAMPLES_CACHE"] = f"{folder}/examples"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def build_demo(
    labeler: PhotoLabeler,
    explain: Explain,
    *,
    address: str = "http://127.0.0.1:7860",
    has_password: bool = False,
    examples: Path | None = None,
    loading: Future[Labeler] | None = None,
) -> gr.Blocks:
    """The demo's pages and API over any labeler; ``address`` is what examples of calls show."""
    import gradio as gr

    from app.demo.api import add_api
    from app.demo.page import add_navigation, add_page, examples_of
    from app.demo.programs import add_programs_page
    from app.demo.video import add_video_page

    with gr.Blocks(
        title="Lapel: labels for clothing photos",
        analytics_enabled=False,
        delete_cache=(CACHE_SWEEP_SECONDS, CACHE_AGE_SECONDS),
    ) as demo:
        add_navigation()
        chosen = examples_of(examples, "Or try one of these") if examples is not None else None
        add_page(demo, labeler, explain, chosen, loading)
        add_api(labeler, explain)
    with demo.route("Video", "video"):
        add_navigation()
        add_video_page(labeler)
    with demo.route("API", "api") as programs:
        add_navigation()
        add_programs_page(programs, address, has_password)
    # Closed to direct calls, so that nobody bypasses the queue and its limit.
    return demo.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)


def serve(
    labeler: PhotoLabeler,
    explain: Explain,
    *,
    port: int = 7860,
    address: str = "127.0.0.1",
    password: str | None = None,
    wait: bool = True,
    examples: Path | None = None,
    loading: Future[Labeler] | None = None,
) -> gr.Blocks:
    """Serve the demo, until stopped when ``wait``, else from a thread until the result's ``close()``.

    A password is asked for under any user name, on the page and on every route that takes or gives photos.
    ``examples`` is a folder of photos in place of the drawn samples; ``loading`` ends when the models are
    there, and the demo closes where it ends with an error.

    Raises:
        AccessError: for an address that others can reach without a password.
        LapelError: for a port that is taken; the error of ``loading``.
    """
    require_password(address, password)
    from app.demo.api import fetch_nothing, guards, password_check
    from app.demo.live.routes import live_routes
    from app.demo.theme import theme_and_css

    fetch_nothing()
    host = f"[{address}]" if ":" in address and not address.startswith("[") else address
    url = f"http://{host}:{port}"
    demo = build_demo(
        labeler, explain, address=url, has_password=password is not None, examples=examples, loading=loading
    )
    print(f"Lapel's demo opens at {url}", file=sys.stderr, flush=True)
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
            prevent_thread_lock=True,
            **theme_and_css(),
        )
        if loading is not None:
            loading.result()
        if wait:
            demo.block_thread()
    except OSError as taken:
        raise LapelError(f"The demo cannot listen on {host}:{port}: {taken}") from taken
    except KeyboardInterrupt:  # stopped before Gradio began to wait for it
        demo.close()
    except LapelError:
        demo.close()
        raise
    return demo


def _stop(*_: object) -> NoReturn:
    # How Gradio shuts down in order; a plain SIGTERM would leave the uploads behind.
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
