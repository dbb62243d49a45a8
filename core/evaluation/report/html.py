"""A report as one self-contained HTML file, with the style and the script that its parts need anywhere."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from core.evaluation.report.parts import PARTS, facts, report_parts
from core.evaluation.report.tables import tables_zip

HERE = Path(__file__).parent

Thumbnails = Mapping[int, bytes]
"""JPEG pictures by the place of the photo in the report's list."""


def report_html(report: Mapping[str, Any], thumbnails: Thumbnails | None = None) -> str:
    """One HTML file with everything in it: no script, style, font or picture comes from elsewhere."""
    parts = report_parts(report)
    links = "".join(f'<a href="#{name}">{PARTS[name]}</a>' for name in parts)
    sections = "".join(
        f'<section id="{name}"><h2>{PARTS[name]}</h2>{part}</section>' for name, part in parts.items()
    )
    title = html.escape(f"{report['model']['name']} on {report['data']['name']}")
    packed = base64.b64encode(tables_zip(report)).decode()
    pictures = {
        str(place): f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        for place, data in (thumbnails or {}).items()
    }
    data = {"photos": report["photos"], "cells": report["confusion"]["cells"], "pictures": pictures}
    style, script = asset("report.css"), asset("report.js")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{style}</style></head><body class="lapel-report file"><header><h1>{title}</h1>'
        f"{facts(report)}<nav>{links}"
        f'<a download="tables.zip" href="data:application/zip;base64,{packed}">'
        f"Tables as CSV and LaTeX (zip)</a></nav></header>{sections}<footer>{_made(report)}</footer>"
        f'<script type="application/json" id="report-data">{_json(data)}</script>'
        f"<script>{script}\nmountFile(document.body);</script></body></html>"
    )


@cache
def asset(name: str) -> str:
    """The style or the script of reports."""
    return (HERE / name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """JSON that can stand inside a script element: no tag begins or ends in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _made(report: Mapping[str, Any]) -> str:
    made, model = report["made"], report["model"]
    said = [
        f"Made {made['at']} by Lapel {made['lapel']}, engine {made['engine']}, on {made['machine']}.",
        f"Weights {model['name']}: SHA-256 {model['digest']}.",
        f"Intervals: 95 %, bootstrap over {report.get('resampled', 'photos')}, "
        f"{report['resamples']:,} resamples, seed {made['seed']}.",
    ]
    return "".join(f"<p>{html.escape(line)}</p>" for line in said)
