"""How photos come in: dropped, drawn samples, or a dozen free ones from the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.auth.claims import sign_in_configured
from app.auth.identity import show_account, title_row
from app.preview.batch import Source
from app.preview.session import Workspace
from core.errors import LapelError
from core.images.samples import fetch_samples
from core.store import data_folder

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def show(workspace: Workspace, title: str) -> None:
    """The page's head: where photos come in, explained while there is no batch, folded away after."""
    if workspace.wants_samples:
        _fetch_free_photos(workspace)
    if workspace.batch is None and not workspace.incoming:
        title_row(title)
        st.markdown(
            "Drop a photo, or a folder of them: Lapel finds the garments, names them and shows why. "
            "Correct what is wrong, and take tables, annotations and crops away as one zip."
        )
        _uploader(workspace)
        with st.container(horizontal=True):
            _buttons(workspace)
    else:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.title(title, width="content")
            if sign_in_configured():
                st.space("stretch")
                show_account()
            with st.popover("Add photos", icon=":material/add_photo_alternate:"):
                _uploader(workspace)
                _buttons(workspace)
                st.button("Start over", icon=":material/restart_alt:", on_click=workspace.start_over)
    if workspace.notice:
        st.warning(workspace.notice, icon=":material/info:")
        workspace.notice = ""


def _uploader(workspace: Workspace) -> None:
    key = f"uploads-{workspace.uploads}"  # a fresh one after every drop, so that nothing is held twice
    st.file_uploader(
        "Drop photos of clothing here: JPEG, PNG or WebP, or zips of them",
        accept_multiple_files=True,
        key=key,
        on_change=_take_uploads,
        args=(workspace, key),
        help="One or hundreds. They stay on this machine, and the place and date in them are dropped.",
    )


def _buttons(workspace: Workspace) -> None:
    """Something to try for those who have no photo at hand."""
    st.button("Try it with drawn samples", icon=":material/draw:", on_click=_take_samples, args=(workspace,))
    st.button(
        "Fetch a dozen free photos",
        icon=":material/cloud_download:",
        help="CC0 photos of the Clothing dataset, from its public home on GitHub. Needs the network.",
        on_click=_ask_for_free_photos,
        args=(workspace,),
    )


def sample_sources() -> list[Source]:
    """The drawn samples that ship."""
    return [(path.name, path) for path in sorted(SAMPLES.glob("*")) if path.suffix.lower() in PICTURES]


def received(key: str) -> list[tuple[str, bytes]]:
    """The files in an uploader, by name; the server lets go of its copies."""
    # A file that was let go of comes back as a mere mark when the browser is slow to notice.
    uploads = [upload for upload in st.session_state[key] or () if isinstance(upload, UploadedFile)]
    files = [(upload.name, upload.getvalue()) for upload in uploads]
    _release(uploads)
    return files


def _take_uploads(workspace: Workspace, key: str) -> None:
    files = received(key)
    if files:
        workspace.incoming += files
        workspace.uploads += 1


def _release(uploads: Sequence[UploadedFile]) -> None:
    """Let go of the server's copies, which would otherwise stay in memory as long as the tab is open."""
    context = get_script_run_ctx()
    release = getattr(getattr(context, "uploaded_file_mgr", None), "remove_file", None)
    if context is not None and release is not None:
        for upload in uploads:
            release(session_id=context.session_id, file_id=upload.file_id)


def _take_samples(workspace: Workspace) -> None:
    workspace.incoming += sample_sources()
    if not workspace.incoming:
        workspace.notice = "No drawn samples are installed: expected pictures in assets/samples."


def _ask_for_free_photos(workspace: Workspace) -> None:
    workspace.wants_samples = True


def _fetch_free_photos(workspace: Workspace) -> None:
    """Fetch the free photos into the data folder, where they are found the next time without a network."""
    workspace.wants_samples = False
    bar = st.progress(0.0, text="Fetching a dozen photos…")

    def report(tried: int, of: int) -> None:
        bar.progress(tried / of, text=f"Fetching photos: {tried} of {of}")

    try:
        paths = fetch_samples(data_folder() / "samples", progress=report)
        workspace.incoming += [(path.name, path) for path in paths]
    except LapelError as error:
        workspace.notice = str(error)
    bar.empty()
