"""Charts as SVG with the page's own colors: lines, bars, intervals. They need no script to be seen.

Lines carry their names, and a chart the ranges of its axes, so that a script can say what is under the
pointer. Colors that are not given are CSS variables (``--ink``, ``--muted``, ``--line``, ``--accent``).
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 10.0, 38.0
ROW, COUNTS_HEIGHT = 22.0, 60.0
COLORS = ("#0f8f80", "#c2632f", "#5b73c7", "#a98620", "#a6508a", "#5f9443")
"""Readable on light and on dark pages."""

Numbers = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """A line over ``x``; None in ``y`` is a gap. ``style`` is of solid, dashed, pale, strong, dotted."""

    name: str
    x: Numbers
    y: Numbers
    color: str
    style: str = "solid"
    marked: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis: its title and its range."""

    title: str
    low: float = 0.0
    high: float = 1.0

    def ticks(self) -> list[float]:
        """Four to eight round numbers within the range."""
        span = self.high - self.low
        if span <= 0 or not math.isfinite(span):
            return [self.low]
        step = 10.0 ** math.floor(math.log10(span))
        step = next((step * part for part in (0.1, 0.2, 0.25, 0.5, 1.0) if span / (step * part) <= 6), step)
        first = math.ceil(self.low / step - 1e-9)
        count = int((self.high - first * step) / step + 1e-9)
        return [round((first + place) * step, 10) for place in range(count + 1)]

    def text(self, value: float) -> str:
        """A number as it stands at the axis.

        >>> Axis("", 0, 2e6).text(1_500_000), Axis("", 0, 1).text(0.2)
        ('1.5M', '0.2')
        """
        for size, sign in ((1e6, "M"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:g}{sign}"
        return f"{value:g}"


def line_chart(
    lines: Sequence[Line], x: Axis, y: Axis, alt: str, marks: Sequence[tuple[float, str]] = ()
) -> str:
    """Lines in a frame; ``marks`` are vertical lines with a text."""
    parts = [_frame(x, y)]
    for place, text in marks:
        at = _place(place, x, LEFT, WIDTH - RIGHT)
        is_right = at > WIDTH / 2
        parts.append(_rule("mark", at, TOP, at, HEIGHT - BOTTOM))
        parts.append(
            _text(at - 4 if is_right else at + 4, TOP + 11, "note", "end" if is_right else "start", text)
        )
    parts += [_drawn(line, number, x, y) for number, line in enumerate(lines)]
    titles = html.escape(f"{x.title}|{y.title}")
    data = f'data-x="{x.low} {x.high}" data-y="{y.low} {y.high}" data-titles="{titles}"'
    return _svg("".join(parts), HEIGHT, alt, "lines", data)


def _drawn(line: Line, number: int, x: Axis, y: Axis) -> str:
    """A line, in pieces where it has gaps."""
    pieces: list[list[str]] = [[]]
    dots: list[str] = []
    for at, value in zip(line.x, line.y, strict=True):
        if at is None or value is None:
            pieces.append([])
            continue
        left, top = _place(at, x, LEFT, WIDTH - RIGHT), _place(value, y, HEIGHT - BOTTOM, TOP)
        pieces[-1].append(f"{left:.1f},{top:.1f}")
        if line.marked:
            dots.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="2.4"/>')
    drawn = "".join(f'<polyline points="{" ".join(piece)}"/>' for piece in pieces if piece)
    return (
        f'<g class="series {line.style}" data-series="{number}" data-name="{html.escape(line.name)}" '
        f'style="--color:{line.color}">{drawn}{"".join(dots)}</g>'
    )


def bar_chart(
    edges: Sequence[float], heights: Numbers, x: Axis, y: Axis, alt: str, texts: Sequence[str]
) -> str:
    """Bars between edges (N + 1), each with a text that is shown under the pointer."""
    return _svg(_frame(x, y) + _bars(edges, heights, x, y, texts), HEIGHT, alt)


def _bars(edges: Sequence[float], heights: Numbers, x: Axis, y: Axis, texts: Sequence[str]) -> str:
    bars = []
    for low, high, height, text in zip(edges, edges[1:], heights, texts, strict=False):
        left, right = (_place(edge, x, LEFT, WIDTH - RIGHT) for edge in (low, high))
        top = _place(height or 0.0, y, HEIGHT - BOTTOM, TOP)
        bars.append(_rect("bar", left + 1, top, right - left - 2, HEIGHT - BOTTOM - top, text, COLORS[0]))
    return "".join(bars)


def reliability_diagram(
    edges: Sequence[float], counts: Sequence[int], scores: Numbers, accuracies: Numbers, alt: str
) -> str:
    """Accuracy by score beside the diagonal of perfect calibration; below it the counts of the bins."""
    x, y = Axis("score"), Axis("accuracy")
    texts = [
        f"{low:.2f} to {high:.2f}: {count:,} with mean score {score or 0:.2f}, accuracy {right or 0:.2f}"
        for low, high, count, score, right in zip(edges, edges[1:], counts, scores, accuracies, strict=False)
    ]
    parts = [_frame(x, y), _bars(edges, accuracies, x, y, texts)]
    parts.append(_rule("diagonal", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP))
    for score, right, text in zip(scores, accuracies, texts, strict=True):
        if score is not None and right is not None:
            at, top = _place(score, x, LEFT, WIDTH - RIGHT), _place(right, y, HEIGHT - BOTTOM, TOP)
            title = f"<title>{html.escape(text)}</title>"
            parts.append(f'<circle class="dot" cx="{at:.1f}" cy="{top:.1f}" r="4">{title}</circle>')
    return _svg("".join(parts) + _counts(edges, counts, texts), HEIGHT + COUNTS_HEIGHT + 4, alt)


def _counts(edges: Sequence[float], counts: Sequence[int], texts: Sequence[str]) -> str:
    """Columns below a frame, with their numbers."""
    x, base, most = Axis(""), HEIGHT + COUNTS_HEIGHT, max(counts, default=0) or 1
    parts = [_upright("title", base - 0.4 * COUNTS_HEIGHT, "count")]
    for low, high, count, text in zip(edges, edges[1:], counts, texts, strict=False):
        left, right = (_place(edge, x, LEFT, WIDTH - RIGHT) for edge in (low, high))
        height = 0.72 * COUNTS_HEIGHT * count / most
        parts.append(_rect("count", left + 1, base - height, right - left - 2, height, text))
        parts.append(_text((left + right) / 2, base - height - 3, "small", "middle", _short(count)))
    return "".join(parts)


def _short(count: int) -> str:
    """A count in few characters.

    >>> _short(950), _short(12_345)
    ('950', '12k')
    """
    return str(count) if count < 1000 else f"{count / 1000:.1f}k" if count < 10_000 else f"{count // 1000}k"


@dataclass(frozen=True)
class Row:
    """A row of a row chart: its name, its value, and the ends of its interval where it has one."""

    name: str
    value: float | None
    interval: Sequence[float] | None = None
    text: str = ""


def row_bars(rows: Sequence[Row], x: Axis, alt: str) -> str:
    """A horizontal bar for each row, with its text behind it."""
    left, right = _name_width(rows), WIDTH - 56
    zero = _place(min(max(0.0, x.low), x.high), x, left, right)
    parts = [_row_frame(rows, x, left, right)]
    for place, row in enumerate(rows):
        at, top = _place(row.value or 0.0, x, left, right), ROW * place + 4
        said = f"{row.name}: {row.text}"
        parts.append(_rect("bar", min(zero, at), top, abs(at - zero), ROW - 8, said, COLORS[0]))
        parts.append(_text(max(zero, at) + 5, top + 11, "value", "start", row.text))
    return _svg("".join(parts), ROW * len(rows) + BOTTOM, alt)


def row_intervals(groups: Sequence[tuple[str, str, Sequence[Row]]], x: Axis, alt: str) -> str:
    """Dots with intervals, the groups (name, color, rows of the same names) beside each other in each row."""
    first = groups[0][2]
    left, right = _name_width(first), WIDTH - 14
    parts = [_row_frame(first, x, left, right)]
    if x.low < 0:
        at = _place(0.0, x, left, right)
        parts.append(_rule("diagonal", at, 0, at, ROW * len(first)))
    for number, (name, color, rows) in enumerate(groups):
        shift = 7.0 * (number - (len(groups) - 1) / 2)
        for place, row in enumerate(rows):
            if row.value is None:
                continue
            middle = ROW * (place + 0.5) + shift
            ends = (*(row.interval or (row.value, row.value)), row.value)
            low, high, at = (_place(min(max(end, x.low), x.high), x, left, right) for end in ends)
            said = ", ".join(filter(None, (row.name, name))) + f": {row.text}"
            parts.append(
                f'<g class="interval" style="--color:{color}"><title>{html.escape(said)}</title>'
                f'{_rule("", low, middle, high, middle)}<circle cx="{at:.1f}" cy="{middle:.1f}" r="3.6"/></g>'
            )
    return _svg("".join(parts), ROW * len(first) + BOTTOM, alt)


def _name_width(rows: Sequence[Row]) -> float:
    return min(150.0, 14 + 6.6 * max((len(row.name) for row in rows), default=0))


def _row_frame(rows: Sequence[Row], x: Axis, left: float, right: float) -> str:
    """The rows' names, and the grid and numbers of the axis below them."""
    bottom = ROW * len(rows)
    parts = [_text((left + right) / 2, bottom + 31, "title", "middle", x.title)]
    for tick in x.ticks():
        at = _place(tick, x, left, right)
        parts.append(_rule("grid", at, 0, at, bottom))
        parts.append(_text(at, bottom + 14, "tick", "middle", x.text(tick)))
    for place, row in enumerate(rows):
        name = row.name if len(row.name) <= 21 else f"{row.name[:20]}…"
        parts.append(_text(left - 7, ROW * (place + 0.5) + 4, "name", "end", name))
    return "".join(parts)


def _frame(x: Axis, y: Axis) -> str:
    """Grid, numbers and titles of both axes."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [_text((LEFT + right) / 2, HEIGHT - 6, "title", "middle", x.title)]
    parts.append(_upright("title", (TOP + bottom) / 2, y.title))
    for tick in y.ticks():
        at = _place(tick, y, bottom, TOP)
        parts += [_rule("grid", LEFT, at, right, at), _text(LEFT - 6, at + 4, "tick", "end", y.text(tick))]
    for tick in x.ticks():
        at = _place(tick, x, LEFT, right)
        parts += [_rule("grid", at, TOP, at, bottom), _text(at, bottom + 15, "tick", "middle", x.text(tick))]
    return "".join(parts)


def _place(value: float, axis: Axis, start: float, end: float) -> float:
    span = axis.high - axis.low
    return start + (end - start) * ((value - axis.low) / span if span else 0.5)


def _svg(content: str, height: float, alt: str, kind: str = "", data: str = "") -> str:
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {WIDTH:g} {height:g}" role="img" '
        f'aria-label="{html.escape(alt)}" {data}>{content}</svg>'
    )


def _text(at: float, top: float, kind: str, anchor: str, text: str) -> str:
    return (
        f'<text class="{kind}" x="{at:.1f}" y="{top:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'
    )


def _upright(kind: str, middle: float, text: str) -> str:
    """A text at the left edge that reads upwards."""
    turned = f'transform="translate(12 {middle:.1f}) rotate(-90)"'
    return f'<text class="{kind}" {turned} text-anchor="middle">{html.escape(text)}</text>'


def _rule(kind: str, x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'


def _rect(
    kind: str, left: float, top: float, width: float, height: float, text: str, color: str = "inherit"
) -> str:
    place = f'x="{left:.1f}" y="{top:.1f}" width="{max(1.0, width):.1f}" height="{max(0.0, height):.1f}"'
    return f'<rect class="{kind}" {place} style="--color:{color}"><title>{html.escape(text)}</title></rect>'
