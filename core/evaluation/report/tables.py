"""The report's tables, once as rows: written as CSV, as LaTeX (booktabs) and as HTML."""

from __future__ import annotations

import csv
import html
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.csv_cells import escape_formula


class Span(NamedTuple):
    """The ends of an interval; ``signed`` where it is one of a difference."""

    low: float
    high: float
    signed: bool = False


class Signed(float):
    """A difference, shown with its sign."""


Cell = str | int | float | Span | None

NAMES = {
    "mAP50": "mAP@0.5",
    "mAP": "mAP@0.5:0.95",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "top1": "Top-1",
    "top3": "Top-3",
    "top5": "Top-5",
}
DASH = "–"

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
}


@dataclass(frozen=True)
class Table:
    """A table: the name of its file, its caption, its columns and its rows of texts and numbers.

    ``digits`` is how many decimals numbers have, by column; whole numbers have none.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    digits: int = 3

    def as_csv(self) -> str:
        """Comma-separated, with a header; numbers are not rounded, and no text is a formula.

        An interval takes two columns, for its low and its high end.
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        spans = [any(isinstance(row[place], Span) for row in self.rows) for place in range(len(self.columns))]
        names = zip(self.columns, spans, strict=True)
        writer.writerow([part for name, span in names for part in _csv_names(escape_formula(name), span)])
        for row in self.rows:
            writer.writerow(
                [part for cell, span in zip(row, spans, strict=True) for part in _csv(cell, span)]
            )
        return out.getvalue()

    def as_latex(self) -> str:
        """A ``table`` with booktabs' rules, whatever characters the texts have."""
        shape = "".join("l" if self._is_text(place) else "r" for place in range(len(self.columns)))
        lines = [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{latex(self.caption)}}}",
            f"  \\label{{tab:{self.name.replace('_', '-')}}}",
            f"  \\begin{{tabular}}{{{shape}}}",
            "    \\toprule",
            f"    {' & '.join(latex(name) for name in self.columns)} \\\\",
            "    \\midrule",
            *(f"    {' & '.join(latex(self.shown(cell)) for cell in row)} \\\\" for row in self.rows),
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}",
        ]
        return "\n".join(lines) + "\n"

    def as_html(self) -> str:
        """A ``table`` element, numbers to the right."""
        head = "".join(
            f"<th{'' if self._is_text(place) else ' class=number'} scope=col>{html.escape(name)}</th>"
            for place, name in enumerate(self.columns)
        )
        body = "".join(
            f"<tr>{''.join(self._html_cell(*entry) for entry in enumerate(row))}</tr>" for row in self.rows
        )
        caption = html.escape(self.caption)
        return (
            f'<div class=table><p class=caption>{caption}</p><div class=scroll><table aria-label="{caption}">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>"
        )

    def _html_cell(self, place: int, cell: Cell) -> str:
        text = html.escape(self.shown(cell))
        if place == 0:
            return f"<th scope=row>{text}</th>"
        return f"<td>{text}</td>" if self._is_text(place) else f"<td class=number>{text}</td>"

    def _is_text(self, place: int) -> bool:
        return any(isinstance(row[place], str) for row in self.rows)

    def shown(self, cell: Cell) -> str:
        """A cell as people read it."""
        if cell is None:
            return DASH
        if isinstance(cell, str):
            return cell
        if isinstance(cell, Span):
            low, high = (Signed(end) if cell.signed else float(end) for end in cell[:2])
            return f"{self.shown(low)} to {self.shown(high)}"
        sign = "+" if isinstance(cell, Signed) else ""
        if isinstance(cell, int):
            return f"{cell:,}"
        rounded = round(float(cell), self.digits) + 0.0  # without the sign of a zero
        return f"{rounded:{sign}.{self.digits}f}"


def _csv_names(name: str, span: bool) -> list[str]:
    return [f"{name}, low", f"{name}, high"] if span else [name]


def _csv(cell: Cell, span: bool) -> list[str | int | float]:
    """A cell as it stands in a CSV: one value, or two in the column of an interval."""
    if isinstance(cell, Span):
        return [cell.low, cell.high]
    if cell is None:
        return ["", ""] if span else [""]
    return [
        escape_formula(cell) if isinstance(cell, str) else float(cell) if isinstance(cell, Signed) else cell
    ]


def latex(text: str) -> str:
    r"""Text with LaTeX's special characters escaped.

    >>> latex("scarf_tie & 50 %")
    'scarf\\_tie \\& 50 \\%'
    """
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def report_tables(report: Mapping[str, Any]) -> list[Table]:
    """All tables that a report has figures for."""
    made = [_figures(report), _classes(report)]
    if report["kind"] == "detector":
        made += [_sizes(report), _errors(report)]
    made += [_confusion(report), _calibration(report)]
    if report.get("costs"):
        made.append(costs_table(report["costs"]))
    return made


def table_files(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names and texts of all tables' CSV and LaTeX files."""
    for table in report_tables(report):
        yield f"{table.name}.csv", table.as_csv()
        yield f"{table.name}.tex", table.as_latex()


def tables_zip(report: Mapping[str, Any]) -> bytes:
    """All tables' files in one zip; the same report gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in table_files(report):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _figures(report: Mapping[str, Any]) -> Table:
    rows = [_figure_cells(NAMES[name], entry, report) for name, entry in report["figures"].items()]
    confidence = f"95 % bootstrap intervals from {report['resamples']:,} resamples"
    return Table("figures", f"Overall figures, {confidence}", ("", *_figure_columns(report)), tuple(rows))


def _figure_columns(report: Mapping[str, Any], name: str = "Value") -> tuple[str, ...]:
    own = (name, "95 % interval")
    if not report.get("against"):
        return own
    return (*own, "Second model", "Second model's 95 % interval", "Difference", "Difference's 95 % interval")


def _figure_cells(name: str, entry: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[Cell, ...]:
    own: tuple[Cell, ...] = (name, entry["value"], _span(entry.get("interval")))
    if not report.get("against"):
        return own
    difference = entry.get("difference")
    return (
        *own,
        entry.get("against"),
        _span(entry.get("against_interval")),
        None if difference is None else Signed(difference),
        _span(entry.get("difference_interval"), signed=True),
    )


def _span(interval: Sequence[float] | None, signed: bool = False) -> Span | None:
    return None if interval is None else Span(interval[0], interval[1], signed)


def _classes(report: Mapping[str, Any]) -> Table:
    if report["kind"] == "classifier":
        columns = ("Label", "Photos", *_figure_columns(report, "Recall"), "Precision", "F1")
        rows = []
        for entry in report["classes"]:
            cells = _figure_cells("", entry["recall"], report)[1:]
            rows.append((entry["name"], entry["photos"], *cells, entry["precision"], entry["f1"]))
        return Table("classes", "Figures by label", columns, tuple(rows))
    columns = (
        "Category",
        "Boxes",
        *_figure_columns(report, "AP@0.5"),
        "AP@0.5:0.95",
        "Precision",
        "Recall",
        "F1",
    )
    columns = (*columns, "Mean IoU of hits")
    rows = []
    for entry in report["classes"]:
        cells = _figure_cells("", entry["AP50"], report)[1:]
        more = (entry[name] for name in ("AP", "precision", "recall", "f1", "mean_iou"))
        rows.append((entry["name"], entry["boxes"], *cells, *more))
    at = f"precision, recall and F1 at score {report['score_threshold']:g} and IoU 0.5"
    return Table("classes", f"Figures by category; {at}", columns, tuple(rows))


def _sizes(report: Mapping[str, Any]) -> Table:
    rows = tuple(
        (s["name"], _area_text(*s["area"]), s["boxes"], s["mAP50"], s["mAP"], s["recall"])
        for s in report["sizes"]
    )
    caption = "By size of the box, after COCO's areas, in square pixels of the photos as they are measured"
    return Table("sizes", caption, ("Size", "Area", "Boxes", NAMES["mAP50"], NAMES["mAP"], "Recall"), rows)


def _area_text(low: float, high: float | None) -> str:
    if high is None:
        return f"from {low:.0f}"
    return f"up to {high:.0f}" if not low else f"{low:.0f} to {high:.0f}"


def _errors(report: Mapping[str, Any]) -> Table:
    errors = report["errors"]
    rows: list[tuple[Cell, ...]] = [
        (kind["name"], kind["dAP50"], kind["count"], kind["count_all_scores"]) for kind in errors["kinds"]
    ]
    rows.append(("all false positives", errors["false_positives_dAP50"], None, None))
    rows.append(("all false negatives", errors["false_negatives_dAP50"], None, None))
    at = f"Count at score {report['score_threshold']:g}"
    columns = ("Kind of error", "dAP@0.5", at, "Count at all scores")
    caption = "Kinds of error after TIDE; dAP is the mAP@0.5 that mending all errors of a kind would add"
    return Table("errors", caption, columns, tuple(rows))


def _confusion(report: Mapping[str, Any]) -> Table:
    confusion = report["confusion"]
    rows = tuple((name, *counts) for name, counts in zip(confusion["rows"], confusion["counts"], strict=True))
    said = "annotated" if report["kind"] == "detector" else "labeled"
    guessed = "detected" if report["kind"] == "detector" else "predicted"
    caption = f"Confusion matrix: rows are {said}, columns {guessed}"
    return Table("confusion", caption, (f"{said} \\ {guessed}", *confusion["columns"]), rows)


def _calibration(report: Mapping[str, Any]) -> Table:
    found = report["calibration"]
    edges = found["edges"]
    rows = tuple(
        (f"{low:.2f} to {high:.2f}", count, score, right)
        for low, high, count, score, right in zip(
            edges, edges[1:], found["counts"], found["mean_scores"], found["accuracies"], strict=False
        )
    )
    error = "–" if found["ECE"] is None else f"{found['ECE']:.3f}"
    caption = f"Reliability of {found['of']} by score; expected calibration error (ECE) {error}"
    return Table("calibration", caption, ("Score", "Count", "Mean score", "Accuracy"), rows)


def costs_table(costs: Mapping[str, Any]) -> Table:
    """The models with their costs, from :func:`core.inference.costs.cost_table`."""
    rows = []
    for entry in costs["models"]:
        times = entry.get("milliseconds")
        rows.append(
            (
                entry["name"],
                entry["model"],
                entry["input_size"],
                round(entry["parameters"] / 1e6, 2),
                round(entry["macs"] / 1e9, 2),
                round(entry["bytes"] / 1e6, 1),
                times["median_ms"] if times else None,
                Span(times["low_ms"], times["high_ms"]) if times else None,
            )
        )
    columns = (
        "Name",
        "Model",
        "Input, pixels",
        "Parameters, M",
        "MACs, G",
        "File, MB",
        "Milliseconds",
        "Quartiles",
    )
    caption = "Cost of the models; multiply-adds (MACs) are for a square input"
    measured = costs.get("measured")
    if measured:
        turns = f"{measured['rounds']} rounds in turns"
        caption += f"; milliseconds of one forward pass, {turns}, on {measured['machine']}"
    return Table("costs", caption, columns, tuple(rows), digits=2)
