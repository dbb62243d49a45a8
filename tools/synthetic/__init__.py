"""Synthetic clothing photos with boxes, masks and labels: the same seed gives the same picture.

They are used where no real photo may be: as samples that work offline, in tests, and in training. Garments
are outlines in head heights of a figure eight heads tall.
"""

from tools.synthetic.scene import CATEGORIES, GARMENTS, KINDS, DrawnScene, draw_dataset, draw_scene

__all__ = ["CATEGORIES", "GARMENTS", "KINDS", "DrawnScene", "draw_dataset", "draw_scene"]
