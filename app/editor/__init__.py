"""The box editor: a Streamlit component in plain JavaScript modules; component.py is its Python side."""

from app.editor.component import EditorPhoto, box_editor
from app.editor.messages import ACTS, Act, Edited, Work

__all__ = ["ACTS", "Act", "Edited", "EditorPhoto", "Work", "box_editor"]
