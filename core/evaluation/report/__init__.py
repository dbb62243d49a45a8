"""Reports on a model: their figures, tables (CSV, LaTeX), charts (SVG), and one self-contained HTML file.

A report is a JSON-ready dict, so that it can be kept, and printed by ``python -m core report --json``.
"""
