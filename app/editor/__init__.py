"""The box editor: what annotators live in. One component of our own, a module of JavaScript an idea."""

from app.editor.component import EditorPhoto, box_editor
from app.editor.messages import ACTS, Act, Edited, Work

__all__ = ["ACTS", "Act", "Edited", "EditorPhoto", "Work", "box_editor"]
