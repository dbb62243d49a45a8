"""Reports in a real browser: the file without a network; the page from a cell to its photos and downloads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.evaluation.report.html import report_html
from core.inference.report_data import ALL, data_of_revision
from core.inference.reports import ReportModel, keep_report, make_report, report_key
from core.store import Store
from core.store.boxes import AnnotatedBox
from tests.browsing import WAIT_MS, expect, is_as_wide_as_the_window, press
from tests.core.evaluation.report.reports import HOSTILE, report
from tests.e2e.workbench import ROOT
from tests.ports import free_port, wait_until_open
from tests.weights import FEW, MANY, drawn_photo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WORKSPACE = """
import sys
from pathlib import Path
from app import __main__ as launcher
from app.worker_process import WORKERS, WorkerProcess
from core.models import cards
cards.WEIGHTS_FOLDER = Path(sys.argv[3])
idle = (sys.executable, "-c", "import sys; sys.stdin.read()")
WORKERS.build = lambda project: WorkerProcess(idle)
launcher.main(["--port", sys.argv[1], "--data", sys.argv[2], "--no-browser"])
"""


@pytest.fixture(scope="module", autouse=True)
def patience() -> None:
    expect.set_options(timeout=WAIT_MS)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_file_opens_without_a_network(browser: Browser, tmp_path: Path, width: int, scheme: str):
    file = tmp_path / "report.html"
    file.write_text(report_html(report()), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        offline=True,
    )
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    expect(page.locator("svg.chart")).to_have_count(10)
    expect(page.get_by_text("Worst photos first")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    check_charts(page)
    cell = page.get_by_role("button", name="skirt taken for")
    cell.click()
    expect(cell).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".opened h3")).to_have_text(f"skirt taken for {HOSTILE}: 1")
    expect(page.locator(".opened .photo")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Tables as CSV and LaTeX").click()
    assert download.value.suggested_filename == "tables.zip"
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and errors == []
    context.close()


def check_charts(page: Page) -> None:
    """What is under the pointer is said, and a press on the legend brings out a line."""
    figure = page.locator("#curves figure").first
    figure.locator("svg").hover()
    expect(figure.locator(".tip")).to_contain_text("precision")
    key = figure.get_by_role("button", name="skirt")
    key.click()
    expect(figure.locator("svg.picked .series.on")).to_have_count(1)
    key.click()
    expect(figure.locator("svg.picked")).to_have_count(0)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Iterator[str]:
    """A workspace over two annotated photos; the report of its detector on them has been made before."""
    folder, port = tmp_path_factory.mktemp("data"), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.models.cards.WEIGHTS_FOLDER", tiny_weights)
        store = Store.open(folder=folder)
        category = store.categories.all()[0].id
        for place, seed in enumerate((FEW, MANY)):
            photo = replace(drawn_photo(seed, f"scene {place}.png"), digest=f"{place:064x}")
            row = store.photos.add(photo, by="anna").row
            assert row is not None
            box = AnnotatedBox((20.0, 20.0, 120.0, 200.0), category)
            store.annotations.submit(row.id, [box], author="anna", base_version=0, request=f"r{place}")
        store.revisions.create("anna")
        row = store.models.champion("detector")
        model = ReportModel.of_row(row, store.models.file_of(row))
        data = data_of_revision(store, 1, ALL)
        keep_report(report_key(model, data.digest), make_report(model, data, n_bootstrap=5))
        store.close()
    command = [sys.executable, "-c", WORKSPACE, str(port), str(folder), str(tiny_weights)]
    hidden = ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL")
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    with (
        (folder / "log.txt").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=settings, stderr=log) as server,
    ):
        wait_until_open(port, server)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=120)


def test_a_cell_opens_its_photos_and_the_report_is_downloaded(browser: Browser, address: str, tmp_path: Path):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(f"{address}/models?view=report&data=all%20photos-1")
    expect(page.locator(".lapel-report table").first).to_be_visible()
    press(page.get_by_role("radio", name="Confusion matrix"), page.locator("table.matrix"))
    expect(page.get_by_text("Worst photos first")).to_be_visible()
    cell = page.locator("table.matrix td.wrong button").first
    title = str(cell.get_attribute("aria-label"))
    cell.click()
    expect(page.get_by_text(title, exact=True)).to_be_visible()
    expect(page.locator(".lapel-gallery .tile").first).to_contain_text("scene")
    expect(page.locator(".lapel-panes")).to_contain_text("Annotated")
    assert "cell=" in page.url
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_text(title, exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (HTML)").click()
    download.value.save_as(tmp_path / "report.html")
    assert "tiny detector" in (tmp_path / "report.html").read_text(encoding="utf-8")
    with page.expect_download() as download:
        page.get_by_role("button", name="Tables (CSV, LaTeX)").click()
    assert download.value.suggested_filename == "tables-tiny-detector.zip"
    page.set_viewport_size({"width": 390, "height": 844})
    assert is_as_wide_as_the_window(page)
    context.close()
