"""What was corrected between the champion's revision and the candidate's."""

from __future__ import annotations

import streamlit as st

from app.wording import counted
from core.store import Store
from core.store.models import ModelRow
from core.store.revision_changes import ADDED, MOVED, REMOVED, RENAMED, RevisionChanges, changes_between


def show(store: Store, champion: ModelRow, candidate: ModelRow) -> None:
    """A sentence or two; nothing for a candidate that learned from no revision."""
    if candidate.revision is None:
        return
    st.markdown("**What the candidate learned that the champion did not**")
    if champion.revision == candidate.revision:
        st.caption(f"Both learned from revision {candidate.revision}.")
        return
    earlier = champion.revision
    if earlier is not None and earlier > candidate.revision:
        st.caption(
            f"The champion learned from revision {earlier}, which is newer than the candidate's, "
            f"revision {candidate.revision}."
        )
        return
    since = f"From revision {earlier}" if earlier is not None else "The champion came with Lapel. From it"
    found = _counted(store, str(store.database.engine.url), earlier, candidate.revision)
    st.caption(f"{since} to revision {candidate.revision}: {sentence(found)}")


def sentence(found: RevisionChanges) -> str:
    """The changes in words."""
    parts = []
    if found.new_photos:
        parts.append(
            f"{counted(found.new_photos, 'photo')} annotated for the first time, "
            f"with {counted(found.new_boxes, 'box', 'boxes')}"
        )
    if found.changed_photos:
        deeds = [
            f"{found.boxes[deed]:,} {deed}"
            for deed in (ADDED, REMOVED, MOVED, RENAMED)
            if deed in found.boxes
        ]
        what = f": boxes {', '.join(deeds)}" if deeds else ""
        parts.append(f"{counted(found.changed_photos, 'photo')} corrected again{what}")
    if found.gone_photos:
        parts.append(f"{counted(found.gone_photos, 'photo')} taken out")
    return f"{'; '.join(parts)}." if parts else "nothing was changed."


@st.cache_data(max_entries=50, show_spinner="Counting corrections…")
def _counted(_store: Store, url: str, earlier: int | None, later: int) -> RevisionChanges:
    """Revisions never change: what was counted once holds."""
    return changes_between(_store, earlier, later)
