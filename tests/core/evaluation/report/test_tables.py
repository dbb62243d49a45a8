"""Tables as CSV, LaTeX and HTML: numbers, intervals, and names with every special character."""

from __future__ import annotations

import csv
import io
import zipfile

from core.evaluation.report.tables import Signed, Span, Table, report_tables, tables_zip
from tests.core.evaluation.report.reports import HOSTILE, report

TABLE = Table(
    "classes",
    "Figures & such",
    ("Category", "AP", "95 % interval", "Difference"),
    ((HOSTILE, 0.61425, Span(0.5, 0.7), Signed(-0.02)), ("=2+3", None, None, None), ("belt", 3, None, None)),
)


def test_a_csv_has_numbers_intervals_in_two_columns_and_no_formulas():
    rows = list(csv.reader(io.StringIO(TABLE.as_csv())))
    assert rows[0] == ["Category", "AP", "95 % interval, low", "95 % interval, high", "Difference"]
    assert rows[1] == [HOSTILE, "0.61425", "0.5", "0.7", "-0.02"]
    assert rows[2] == ["'=2+3", "", "", "", ""] and rows[3][1] == "3"


def test_latex_escapes_what_is_special():
    text = TABLE.as_latex()
    assert r"\caption{Figures \& such}" in text and r"\label{tab:classes}" in text
    assert (
        r"\textless{}b\textgreater{}50\%\_\{a\}\$\#\textasciitilde{}\textasciicircum{}\textbackslash{}"
        in text
    )
    assert "0.614 & 0.500 to 0.700 & -0.020 \\\\" in text
    assert r"\begin{tabular}{lrrr}" in text and r"\toprule" in text and r"\bottomrule" in text
    assert "    =2+3 & -- & -- & -- \\\\" in text


def test_html_escapes_names_and_shows_signs():
    text = Table("x", "c", ("a", "b"), ((HOSTILE, Signed(0.5)),)).as_html()
    assert "<b>" not in text and "&lt;b&gt;" in text and ">+0.500<" in text


def test_a_zero_has_no_minus():
    assert TABLE.shown(Span(-0.0001, 0.1, signed=True)) == "+0.000 to +0.100"


def test_a_report_has_all_tables_once_and_the_zip_is_the_same_each_time():
    names = [table.name for table in report_tables(report())]
    assert names == ["figures", "classes", "sizes", "errors", "confusion", "calibration", "costs"]
    packed = tables_zip(report())
    assert packed == tables_zip(report())
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert sorted(archive.namelist()) == sorted(f"{n}.{end}" for n in names for end in ("csv", "tex"))
        confusion = archive.read("confusion.csv").decode()
    assert confusion.splitlines()[0] == f'annotated \\ detected,"{HOSTILE}",skirt,missed'.replace('"', "")


def test_columns_of_the_second_model_are_there_with_one_only():
    classes = {table.name: table for table in report_tables(report())}["classes"]
    assert "Difference" not in classes.columns
    beside = report() | {"against": {"name": "other"}}
    assert "Difference" in {table.name: table for table in report_tables(beside)}["classes"].columns
