"""Before there is a batch: uploads, drawn samples, free photos from the network, and an example result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app.attention.maps import Layers, layers_of
from app.auth.claims import sign_in_configured
from app.auth.identity import page_title, show_account, show_project
from app.auth.uploads import UploadQuota
from app.components.background import shown_on
from app.preview import selection, upload, viewer
from app.preview.batch import Batch, Source
from app.preview.photo import top5_bars
from app.preview.samples import fetch_samples
from app.preview.selection import PhotoView
from app.preview.session import PROBLEM, PreviewSession
from app.text import literal, show_flash
from core.corrections import Corrections
from core.errors import LapelError
from core.file_names import safe_name
from core.files import data_folder
from core.garments import Refusal
from core.images.containers import KINDS_IN_WORDS, PHOTO_SUFFIXES
from core.store.photo_drafts import KEPT_DAYS
from core.store.photo_spools import Spool

if TYPE_CHECKING:
    from core.inference.labeler import Labeler

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
FIRST_SAMPLE = "03-hand-on-the-hip.jpg"  # of which the models that ship are surest
EXAMPLE_SECONDS = 20.0


def show(session: PreviewSession, title: str) -> None:
    """The uploader with an explanation while there is no batch, in a popover afterwards."""
    if session.free_photos_requested:
        _fetch_free_photos(session)
    if session.batch is None and not session.incoming:
        page_title(title)
        st.markdown(
            "Drop a photo or a folder of photos: Lapel finds the garments, labels them and shows why. "
            "Correct what is wrong, and download tables, annotations and crops as one zip."
        )
        _uploader(session)
        with st.container(horizontal=True):
            _buttons(session)
        if session.owner is not None:
            st.caption(
                f"What you label is kept on this machine until you clear it, or for {KEPT_DAYS} days after "
                "your last visit: close the page and come back."
            )
    else:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.title(title, width="content")
            st.space("stretch")
            if sign_in_configured():
                show_account()
            else:
                show_project()
            with st.popover("Add photos", icon=":material/add_photo_alternate:"):
                _uploader(session)
                _buttons(session)
                st.divider()
                _clearing(session)
    if session.draft.problem:
        st.warning(literal(session.draft.problem), icon=":material/warning:")
    show_flash(PROBLEM)
    if session.notice:
        st.warning(session.notice, icon=":material/info:")
        session.notice = ""


def _clearing(session: PreviewSession) -> None:
    """What is kept, for how long, and the buttons that clear it."""
    kept = session.draft.kept
    if kept is None:
        st.caption("These photos go when this tab is closed.")
    else:
        st.caption(
            f"Photos, corrections and names are kept on this machine, for you alone, until you clear them or "
            f"{KEPT_DAYS} days after your last visit: {kept.used_bytes / 2**20:,.0f} MB of "
            f"{kept.most_bytes / 2**20:,.0f}."
        )
    with st.container(horizontal=True):
        st.button(
            "Start over",
            icon=":material/restart_alt:",
            help="Clear the photos and their corrections. Your shop's names and settings stay.",
            on_click=session.start_over,
        )
        st.button(
            "Clear everything",
            icon=":material/delete_forever:",
            help="Clear photos, corrections, names and settings.",
            on_click=session.start_over,
            kwargs={"everything": True},
        )


def _uploader(session: PreviewSession) -> None:
    key = f"uploads-{session.uploads}"  # a new one after every drop, so that no file is held twice
    st.file_uploader(
        "Drop photos of clothing here, or zips of them",
        accept_multiple_files=True,
        key=key,
        on_change=_add_uploads,
        args=(session, key),
        help=f"One or hundreds: {KINDS_IN_WORDS}. They stay on this machine, without the location and date "
        f"in them, until you clear them or for {KEPT_DAYS} days after your last visit.",
    )
    folder_key = f"folder-{session.uploads}"
    st.file_uploader(
        "Or a whole folder",
        type=[suffix[1:] for suffix in (*PHOTO_SUFFIXES, ".zip")],
        accept_multiple_files="directory",
        key=folder_key,
        on_change=_add_uploads,
        args=(session, folder_key),
        help="Its photos keep their folders in names, tables and downloads.",
    )


def _buttons(session: PreviewSession) -> None:
    """Buttons that load sample photos."""
    st.button("Try it with drawn samples", icon=":material/draw:", on_click=_add_samples, args=(session,))
    st.button(
        "Fetch a dozen free photos",
        icon=":material/cloud_download:",
        help="CC0 photos of the Clothing dataset, from its public home on GitHub. Needs the network.",
        on_click=_request_free_photos,
        args=(session,),
    )


def sample_photos() -> list[Source]:
    """The drawn samples that ship, first the one that is the example."""
    paths = (path for path in sorted(SAMPLES.glob("*")) if path.suffix.lower() in PHOTO_SUFFIXES)
    return [(path.name, path) for path in sorted(paths, key=lambda path: path.name != FIRST_SAMPLE)]


def received(key: str) -> list[tuple[str, bytes]]:
    """Name and content of the files in an uploader; the server's copies are released."""
    # A released file comes back as a placeholder when the browser is slow to notice.
    uploads = [upload for upload in st.session_state[key] or () if isinstance(upload, UploadedFile)]
    files = [(upload.name, upload.getvalue()) for upload in uploads]
    _release(uploads)
    return files


def _add_uploads(session: PreviewSession, key: str) -> None:
    session.refused += missing_uploads()
    files = received(key)
    if files:
        session.incoming += files
        session.uploads += 1


def missing_uploads() -> list[Refusal]:
    """Files that this tab meant to upload and that did not arrive: their entries go with the uploader."""
    context, quota = get_script_run_ctx(), UploadQuota.in_place
    if context is None or quota is None:
        return []
    return [Refusal(safe_name(name), sentence) for name, sentence in quota.take_missing(context.session_id)]


def _release(uploads: Sequence[UploadedFile]) -> None:
    """Release the server's copies, which would stay in memory as long as the tab is open."""
    context = get_script_run_ctx()
    release = getattr(getattr(context, "uploaded_file_mgr", None), "remove_file", None)
    if context is not None and release is not None:
        for upload in uploads:
            release(session_id=context.session_id, file_id=upload.file_id)


def _add_samples(session: PreviewSession) -> None:
    session.incoming += sample_photos()
    if not session.incoming:
        session.notice = "No drawn samples are installed: expected pictures in assets/samples."


def _request_free_photos(session: PreviewSession) -> None:
    session.free_photos_requested = True


def _fetch_free_photos(session: PreviewSession) -> None:
    """Download the free photos into the data folder, which serves them without a network from then on."""
    session.free_photos_requested = False
    bar = st.progress(0.0, text="Fetching a dozen photos…")

    try:
        paths = fetch_samples(
            data_folder() / "samples", progress=shown_on(bar, "Fetching photos: {done} of {total}")
        )
        session.incoming += [(path.name, path) for path in paths]
    except LapelError as error:
        session.notice = str(error)
    bar.empty()


def show_example(labeler: Labeler) -> None:
    """One drawn sample with its boxes and best labels; nothing where no samples are installed."""
    example = labeled_sample(labeler, " + ".join(labeler.names.values()))
    if example is None:
        return
    view, layers = example
    st.subheader("What you get")
    picture, panel = st.columns([5, 4], gap="medium")
    with panel:
        for number, garment in list(view.garments.items())[:2]:
            st.text(f"{garment.category} {garment.score:.2f}")
            st.plotly_chart(top5_bars(garment), key=f"example-{number}", config={"displayModeBar": False})
    with picture:
        viewer.show_still(view, layers)


@st.cache_resource(max_entries=1, show_spinner=False)
def labeled_sample(_labeler: Labeler, models: str) -> tuple[PhotoView, Layers] | None:
    """The sample as these models label it, cached until others serve."""
    sources = upload.sample_photos()[:1]
    if not sources:
        return None
    batch = Batch(_labeler, Spool())
    batch.add(sources)
    batch.wait(lambda now: not now.running, EXAMPLE_SECONDS)
    if not batch.items:
        return None
    view = selection.view_of(batch.items[0], Corrections(), _labeler.default_threshold)
    return view, layers_of(_labeler, view)
