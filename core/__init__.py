"""Lapel's library: photos in, garments with boxes, categories and top-5 labels out. It knows no web."""

__version__ = "0.1.0"
