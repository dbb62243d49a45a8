"""The parts of a report as HTML, which the file and the page Models show: tables and charts."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from core.evaluation.report.charts import (
    COLORS,
    Axis,
    Line,
    Row,
    bar_chart,
    line_chart,
    reliability_diagram,
    row_bars,
    row_intervals,
)
from core.evaluation.report.photos import BACKGROUND_NAME, MISSED_NAME
from core.evaluation.report.tables import NAMES, Table, report_tables
from core.taxonomy import color_of

PARTS = {
    "summary": "Figures",
    "curves": "Precision and recall",
    "errors": "Errors",
    "confusion": "Confusion matrix",
    "calibration": "Calibration",
    "training": "Training",
    "costs": "Cost",
}
"""The parts of a report with their titles, in order."""

SECOND_COLOR = COLORS[1]


def report_parts(report: Mapping[str, Any]) -> dict[str, str]:
    """Each part that the report has figures for, as HTML; everything in it is escaped."""
    tables = {table.name: table for table in report_tables(report)}
    made = {"summary": _summary(report, tables)}
    if report["kind"] == "detector":
        made |= {"curves": _curves(report), "errors": _errors(report, tables)}
    made |= {"confusion": _confusion(report), "calibration": _calibration(report, tables)}
    if report.get("training"):
        made["training"] = training_part(report["training"])
    if report.get("costs"):
        made["costs"] = tables["costs"].as_html()
    return made


def _counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def facts(report: Mapping[str, Any]) -> str:
    """On what was measured, as paragraphs."""
    data, is_detector = report["data"], report["kind"] == "detector"
    counted = (
        _counted(report["boxes"], "box", "boxes") if is_detector else _counted(report["crops"], "garment")
    )
    said = [f"Measured on {data['name']}: {_counted(report['photos_measured'], 'photo')}, {counted}."]
    if report.get("against"):
        said.append(f"The second model is {report['against']['name']}, on the same photos.")
    if report.get("score_threshold") is not None:
        said.append(f"The model's score threshold is {report['score_threshold']:g}.")
    if report.get("ignored"):
        said.append(f"Difficult boxes and crowd regions, which are ignored: {report['ignored']:,}.")
    if report.get("skipped"):
        skipped = _counted(report["skipped"], "garment")
        said.append(f"Skipped, as the model does not know their labels: {skipped}.")
    if report.get("unknown_categories"):
        unknown = ", ".join(report["unknown_categories"])
        said.append(f"The model does not know these categories, whose boxes count as missed: {unknown}.")
    if data.get("left_out"):
        left_out = _counted(data["left_out"], "photo")
        said.append(f"Left out, as deleted, unreadable, or of another size: {left_out}.")
    return f"<p class=facts>{html.escape(' '.join(said))}</p>"


def _summary(report: Mapping[str, Any], tables: Mapping[str, Table]) -> str:
    is_detector = report["kind"] == "detector"
    name, key, noun = ("AP@0.5", "AP50", "category") if is_detector else ("recall", "recall", "label")
    rows = [entry for entry in report["classes"] if entry[key]["value"] is not None]
    own = [_row(e["name"], e[key]["value"], e[key].get("interval")) for e in rows]
    groups = [("", COLORS[0], own)]
    charts = []
    if report.get("against"):
        other = [_row(e["name"], e[key].get("against"), e[key].get("against_interval")) for e in rows]
        groups = [(report["model"]["name"], COLORS[0], own), (report["against"]["name"], SECOND_COLOR, other)]
        differences = [
            _row(e["name"], e[key].get("difference"), e[key].get("difference_interval")) for e in rows
        ]
        reach = max((abs(end) for row in differences for end in row.interval or ()), default=0.1) or 0.1
        axis = Axis(f"difference of {name}", -reach, reach)
        alt = f"Difference of {name} by {noun} with 95 % intervals"
        charts.append(_figure(row_intervals([("", COLORS[0], differences)], axis, alt), alt))
    if rows:
        alt = f"{name[0].upper()}{name[1:]} by {noun} with 95 % intervals"
        charts.insert(0, _figure(row_intervals(groups, Axis(name), alt), alt, _keys(groups)))
    overall = tables["figures"].as_html() + (tables["sizes"].as_html() if "sizes" in tables else "")
    classes = tables["classes"].as_html()
    if report.get("against"):
        return f"{overall}<div class=charts>{''.join(charts)}</div>{classes}"
    beside, below = (overall, classes) if is_detector else (overall + classes, "")
    return f"<div class=charts><div>{beside}</div>{''.join(charts)}</div>{below}"


def _row(name: str, value: float | None, interval: Sequence[float] | None) -> Row:
    spread = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    return Row(name, value, interval, "" if value is None else f"{value:.3f}{spread}")


def _figure(chart: str, caption: str, keys: str = "", note: str = "") -> str:
    more = f"<p class=note>{html.escape(note)}</p>" if note else ""
    return f"<figure><figcaption>{html.escape(caption)}</figcaption>{chart}{keys}{more}</figure>"


def _keys(groups: Sequence[tuple[str, str, Any]]) -> str:
    """A legend that says nothing where there is one group without a name."""
    named = [(name, color) for name, color, _ in groups if name]
    keys = "".join(
        f'<span class=key><i style="--color:{color}"></i>{html.escape(name)}</span>' for name, color in named
    )
    return f"<div class=keys>{keys}</div>" if keys else ""


def _series_keys(lines: Sequence[Line]) -> str:
    """A legend whose entries bring out their line."""
    keys = "".join(
        f'<button type=button class="key {line.style}" data-series="{number}" aria-pressed=false>'
        f'<i style="--color:{line.color}"></i>{html.escape(line.name)}</button>'
        for number, line in enumerate(lines)
    )
    return f"<div class=keys>{keys}</div>"


def _curves(report: Mapping[str, Any]) -> str:
    curves, by_threshold = report["precision_recall"], report["by_threshold"]
    lines = [
        Line(
            f"{e['name']} {e['AP50']:.3f}",
            [0.0, *e["recall"]],
            [e["precision"][0], *e["precision"]],
            color_of(e["name"]),
        )
        for e in curves["classes"]
        if e["precision"]
    ]
    if curves["mean"]:
        mean = report["figures"]["mAP50"]["value"]
        points = (curves["mean"]["recall"], curves["mean"]["precision"])
        lines.append(Line(f"all: mean {mean:.3f}", *points, "var(--ink)", "strong"))
    alt = "Precision against recall at IoU 0.5, by category with AP"
    note = "Of each category the points at its hits; the mean's area is the mAP@0.5 (precision interpolated)."
    made = [
        _figure(line_chart(lines, Axis("recall"), Axis("precision"), alt), alt, _series_keys(lines), note)
    ]
    x, marks = (
        Axis("score threshold"),
        [(report["score_threshold"], f"threshold {report['score_threshold']:g}")],
    )
    thresholds = by_threshold["thresholds"]
    rates = [
        Line(NAMES[name], thresholds, by_threshold[name], color)
        for name, color in zip(("precision", "recall", "f1"), (COLORS[0], COLORS[1], COLORS[2]), strict=True)
    ]
    best = by_threshold["best"]
    alt = "Precision, recall and F1 by score threshold, all boxes"
    note = f"F1 is highest, {best['f1'] or 0:.3f}, at {best['threshold']:g}."
    made.append(
        _figure(
            line_chart(rates, x, Axis("precision, recall, F1"), alt, marks), alt, _series_keys(rates), note
        )
    )
    of_classes = [
        Line(entry["name"], thresholds, entry["f1"], color_of(entry["name"]))
        for entry in by_threshold["classes"]
    ]
    alt = "F1 by score threshold, by category"
    made.append(_figure(line_chart(of_classes, x, Axis("F1"), alt, marks), alt, _series_keys(of_classes)))
    made.append(_iou(report["iou"], report["score_threshold"]))
    return f"<div class=charts>{''.join(made)}</div>"


def _iou(found: Mapping[str, Any], threshold: float) -> str:
    edges, counts = found["edges"], found["counts"]
    texts = [
        f"IoU {low:.2f} to {high:.2f}: {count:,}"
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    alt = "IoU of the detections that found a box"
    note = (
        "None was found."
        if found["mean"] is None
        else f"Mean {found['mean']:.3f}, median {found['median']:.3f}."
    )
    axes = (Axis("IoU with the box", 0.5, 1.0), Axis("detections", 0, 1.08 * (max(counts) or 1)))
    return _figure(bar_chart(edges, counts, *axes, alt, texts), alt, note=f"{note} At score {threshold:g}.")


def _errors(report: Mapping[str, Any], tables: Mapping[str, Table]) -> str:
    kinds = report["errors"]["kinds"]
    rows = [Row(k["name"], k["dAP50"], None, f"{k['dAP50'] or 0:.3f}") for k in kinds]
    counts = [Row(k["name"], float(k["count"]), None, f"{k['count']:,}") for k in kinds]
    most = max(row.value or 0 for row in rows) or 0.01
    alt = "mAP@0.5 gained by mending all errors of a kind (dAP)"
    gains = _figure(row_bars(rows, Axis("dAP@0.5", 0, most), alt), alt)
    alt = f"Errors at score {report['score_threshold']:g}"
    axis = Axis("errors", 0, max(row.value or 0 for row in counts) or 1)
    numbers = _figure(row_bars(counts, axis, alt), alt)
    return f"<div class=charts>{gains}{numbers}</div>{tables['errors'].as_html()}{_DEFINITIONS}"


_DEFINITIONS = """<details><summary>What the kinds are</summary><dl>
<dt>classification</dt><dd>in the right place (IoU 0.5 or more with a box of another category)</dd>
<dt>localization</dt><dd>of the right category in the wrong place (IoU 0.1 to 0.5)</dd>
<dt>both</dt><dd>wrong category and wrong place</dd>
<dt>duplicate</dt><dd>a box that a better detection has found already</dd>
<dt>background</dt><dd>nothing is annotated there (IoU of at most 0.1 with any box)</dd>
<dt>missed</dt><dd>a box that nothing found, and that no classification or localization error is about</dd>
</dl><p>Bolya, Foley, Hays and Hoffman: TIDE, a general toolbox for identifying object detection errors. ECCV
2020. dAP counts the detections of all scores; the gains do not add up.</p></details>"""


def _confusion(report: Mapping[str, Any]) -> str:
    """The matrix, whose cells with entries are buttons, and the place where their photos open."""
    confusion = report["confusion"]
    numbers = {(cell["row"], cell["column"]): number for number, cell in enumerate(confusion["cells"])}
    head = "".join(f"<th scope=col><span>{html.escape(name)}</span></th>" for name in confusion["columns"])
    body = []
    for row, (name, counts) in enumerate(zip(confusion["rows"], confusion["counts"], strict=True)):
        total = sum(counts) or 1
        cells = "".join(
            _cell(confusion, row, column, count, count / total, numbers.get((row, column)))
            for column, count in enumerate(counts)
        )
        body.append(f"<tr><th scope=row>{html.escape(name)}</th>{cells}</tr>")
    is_detector = report["kind"] == "detector"
    sides = "rows: annotated; columns: detected" if is_detector else "rows: label; columns: first guess"
    note = "Shades are shares of a row. A cell opens its photos."
    if is_detector:
        note += (
            " Detections first find boxes of their own category; those left over are matched with boxes that "
            "nothing has found."
        )
    at = f" at score {report['score_threshold']:g} and IoU 0.5" if is_detector else ""
    caption = html.escape(f"Counts{at}; {sides}")
    return (
        f'<p class=caption>{caption}</p><div class=scroll><table class=matrix aria-label="{caption}">'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
        f"<p class=note>{note}</p><div class=opened></div>"
    )


def cell_title(row: str, column: str) -> str:
    """What a cell of the matrix counts, in words.

    >>> cell_title("belt", "missed"), cell_title("top", "dress")
    ('belt missed', 'top taken for dress')
    """
    if column == MISSED_NAME:
        return f"{row} missed"
    if row == BACKGROUND_NAME:
        return f"{column} where none is annotated"
    return f"{row} found" if row == column else f"{row} taken for {column}"


def _cell(
    confusion: Mapping[str, Any], row: int, column: int, count: int, share: float, number: int | None
) -> str:
    rows, columns = confusion["rows"], confusion["columns"]
    kind = "right" if rows[row] == columns[column] else "wrong"
    if number is None:
        return "<td></td>"
    said = html.escape(f"{cell_title(rows[row], columns[column])}: {count:,}")
    return (
        f'<td class="{kind}" style="--share:{share:.3f}"><button type=button data-cell="{number}" '
        f'aria-label="{said}" title="{said}">{count:,}</button></td>'
    )


def _calibration(report: Mapping[str, Any], tables: Mapping[str, Table]) -> str:
    found = report["calibration"]
    alt = f"Reliability diagram of {found['of']}"
    error = "not measured" if found["ECE"] is None else f"{found['ECE']:.3f}"
    least = f" from a score of {found['least_score']:g} on" if found["least_score"] else ""
    note = f"Expected calibration error (ECE): {error}, of {sum(found['counts']):,} {found['of']}{least}."
    chart = reliability_diagram(
        found["edges"], found["counts"], found["mean_scores"], found["accuracies"], alt
    )
    return f"<div class=charts>{_figure(chart, alt, note=note)}{tables['calibration'].as_html()}</div>"


STYLES = {"raw": "pale", "smoothed": "solid", "validation": "dashed"}
METRIC_STYLES = ("solid", "dashed", "dotted", "pale")


def training_part(training: Mapping[str, Any]) -> str:
    """Losses and validation metrics of all runs, in a color a run, or a line of a single run."""
    loss, metrics = training["loss"], training["metrics"]
    made = []
    if loss:
        lines = _training_lines(training, loss, {})
        top = 1.05 * max(value for line in lines for value in line.y if value is not None)
        caption = "Loss: raw (pale), smoothed, validation (dashed)"
        made.append(_training_chart(training, lines, Axis("loss", 0.0, top or 1.0), caption))
    if metrics:
        names = dict.fromkeys(entry["name"] for entry in metrics)
        is_one = len(training["runs"]) == 1
        styles = {name: METRIC_STYLES[0 if is_one else n % 4] for n, name in enumerate(names)}
        lines = _training_lines(training, metrics, styles)
        top = 1.1 * max(value for line in lines for value in line.y if value is not None)
        axis = Axis("metric", 0.0, min(1.0, top) or 1.0)
        made.append(_training_chart(training, lines, axis, "Validation metrics"))
    return f"<div class=charts>{''.join(made)}</div>"


def _training_lines(
    training: Mapping[str, Any], series: Sequence[Mapping[str, Any]], styles: Mapping[str, str]
) -> list[Line]:
    """The series as lines; ``styles`` by name, where they are not by kind."""
    runs, names = training["runs"], list(dict.fromkeys(entry["name"] for entry in series))
    lines = []
    for entry in series:
        place = entry["run"] if len(runs) > 1 else names.index(entry["name"])
        prefix = f"{runs[entry['run']]}: " if len(runs) > 1 else ""
        kind = "" if entry["kind"] == "validation" else f", {entry['kind']}"
        style = styles.get(entry["name"], STYLES[entry["kind"]])
        marked = entry["kind"] != "raw" and len(entry["x"]) <= 30
        name, color = f"{prefix}{entry['name']}{kind}", COLORS[place % len(COLORS)]
        lines.append(Line(name, entry["x"], entry["y"], color, style, marked))
    return lines


def _training_chart(training: Mapping[str, Any], lines: Sequence[Line], y: Axis, caption: str) -> str:
    last = max(value for line in lines for value in line.x if value is not None)
    chart = line_chart(lines, Axis(training["axis"], 0.0, last), y, caption)
    return _figure(chart, caption, _series_keys(lines))
