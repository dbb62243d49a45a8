"""The HTML file: whole in itself, whatever names are in it."""

from __future__ import annotations

import base64
import json
import re

from core.evaluation.report.html import report_html
from core.evaluation.report.parts import PARTS, report_parts
from tests.core.evaluation.report.reports import SCRIPT, report


def test_nothing_comes_from_elsewhere():
    text = report_html(report(), {0: b"\xff\xd8 jpeg"})
    addresses = re.findall(r"""<\w[^<>]*\s(?:src|href)=["']?([^"'\s>]+)""", text)
    assert {address[0] for address in addresses if not address.startswith("data:application/zip")} == {"#"}
    assert "url(" not in text
    assert "@import" not in text and "<link" not in text and text.count("</script>") == 2
    assert base64.b64encode(b"\xff\xd8 jpeg").decode() in text


def test_names_are_texts_and_never_tags():
    text = report_html(report())
    assert "<b>50" not in text and "<img" not in text and "onerror=alert(1)>" not in text
    data = re.search(r'id="report-data">(.*?)</script>', text, re.S)
    assert data is not None and json.loads(data.group(1))["photos"][0]["name"] == SCRIPT


def test_every_part_is_there_with_its_charts():
    parts = report_parts(report())
    assert list(parts) == list(PARTS)
    assert parts["curves"].count("<svg") == 4 and parts["errors"].count("<svg") == 2
    assert parts["calibration"].count("<svg") == 1 and parts["training"].count("<svg") == 2
    assert parts["confusion"].count("data-cell=") == len(report()["confusion"]["cells"])
    assert "skirt taken for" in parts["confusion"]


def test_facts_say_what_was_left_out_and_what_is_unknown():
    text = report_html(report())
    assert "another size: 1 photo." in text and "does not know these categories" in text
