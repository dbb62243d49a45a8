"""Models side by side as text, CSV or LaTeX: what each costs, and how much that is against the first."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
Table = Callable[[Sequence[str], Sequence[Figures], Sequence[Figures | None]], list[str]]
"""Lines from the names of the figures, the models' figures, and what each saves in percent (the first: None).
"""


def text_table(names: Sequence[str], models: Sequence[Figures], saved: Sequence[Figures | None]) -> list[str]:
    """A column a model, a row a figure, as wide as their texts."""
    columns = [["", *names]]
    for figures, percent in zip(models, saved, strict=True):
        cells = [_cell(figures[name], percent[name] if percent else None) for name in names]
        columns.append([_title(figures), *cells])
    widths = [max(map(len, column)) for column in columns]
    rows = zip(*columns, strict=True)
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def csv_table(names: Sequence[str], models: Sequence[Figures], saved: Sequence[Figures | None]) -> list[str]:
    """A row a model: its figures, then what each saves against the first in percent."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["model", "preset", *names, *(f"{name}_saved_percent" for name in names)])
    for figures, percent in zip(models, saved, strict=True):
        less = [percent[name] if percent else None for name in names]
        writer.writerow([figures["model"], figures["preset"], *(figures[name] for name in names), *less])
    return out.getvalue().splitlines()


def latex_table(
    names: Sequence[str], models: Sequence[Figures], saved: Sequence[Figures | None]
) -> list[str]:
    """A row a model, figures in millions, as a ``tabular`` with the rules of booktabs."""
    rows = []
    for figures, percent in zip(models, saved, strict=True):
        cells = [_millions(figures[name], percent[name] if percent else None) for name in names]
        rows.append(" & ".join([_title(figures), *cells]) + r" \\")
    heads = " & ".join(["model", *(f"{name.replace('_', ' ')} (M)" for name in names)])
    return [
        rf"\begin{{tabular}}{{l{'r' * len(names)}}}",
        r"\toprule",
        rf"{heads} \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]


TABLES: dict[str, Table] = {"text": text_table, "csv": csv_table, "latex": latex_table}


def _title(figures: Figures) -> str:
    preset = figures["preset"]
    return str(figures["model"]) if preset == "full" else f"{figures['model']} {preset}"


def _cell(value: int | None, less: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if less is None else f"{value:,} ({0 - less:+.2f} %)"


def _millions(value: int | None, less: float | None) -> str:
    if value is None:
        return "--"
    shown = f"{value / 1e6:.2f}"
    return shown if less is None else rf"{shown} (${0 - less:+.2f}$\,\%)"
