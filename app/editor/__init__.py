"""The box editor: a Streamlit component in plain JavaScript modules; component.py is its Python side."""

from app.editor.component import EditorPhoto, Tightened, box_editor
from app.editor.messages import ACTIONS, Edited, EditorAction, EditorDraft

__all__ = ["ACTIONS", "Edited", "EditorAction", "EditorDraft", "EditorPhoto", "Tightened", "box_editor"]
