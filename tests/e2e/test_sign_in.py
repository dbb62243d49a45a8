"""Sign-in in a browser: each role and every page, signing out, a role taken away, and curl at the door."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.navigation import ENTRIES
from core.access import RIGHTS, Right, Role
from tests.browsing import WAIT_MS, expect, press, settled
from tests.e2e.workbench import ROOT, Workbench
from tests.oidc import Provider, person, provider
from tests.ports import wait_until_open

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PROGRAM = """
import sys
from app import __main__ as launcher, resources
from app.attention import maps
from app.worker_process import WORKERS, WorkerProcess
from tests.fakes import FakeLabeler, fake_explain
fake = FakeLabeler()
resources.labeler = lambda: fake
maps.explain = fake_explain
idle = (sys.executable, "-c", "import sys; sys.stdin.read()")
WORKERS.build = lambda project: WorkerProcess(idle)
launcher.main(["--port", sys.argv[1], "--data", sys.argv[2], "--no-browser"])
"""
PEOPLE = {
    **{role.value: person(f"{role.value}@example.com", role.value) for role in Role},
    "anna": person("anna@example.com", "annotator"),
    "nobody": {"sub": "nobody", "name": "Nobody in particular"},
}
PAGES = {Path(entry.path).stem: entry for entry in ENTRIES if (ROOT / "app" / entry.path).is_file()}


@dataclass
class Served:
    """A workspace with a sign-in, and the provider of its people."""

    bench: Workbench
    provider: Provider
    browser: Browser

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.bench.port}"

    @contextmanager
    def visitor(self, path: str = "/") -> Iterator[Page]:
        """A page in a browser of its own, not signed in."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        page = context.new_page()
        page.goto(self.url + path)
        yield page
        context.close()

    @contextmanager
    def signed_in(self, who: str) -> Iterator[Page]:
        """The first page as this person sees it after the sign-in."""
        with self.visitor() as page:
            sign_in(page, who)
            expect(page.get_by_role("heading", name="Label clothing photos")).to_be_visible()
            settled(page)
            yield page

    def status(self, path: str, method: str = "GET", cookie: str = "") -> int:
        """What the server answers to a client that is no browser."""
        request = urllib.request.Request(self.url + path, method=method, headers={"Cookie": cookie})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("signing-in")
    bench = Workbench(folder, 6)
    with provider(PEOPLE) as running:
        auth = folder / "auth.toml"
        auth.write_text(running.settings(bench.port))
        settings = {k: v for k, v in os.environ.items() if not k.startswith("LAPEL_")}
        command = [sys.executable, "-c", PROGRAM, str(bench.port), str(folder)]
        with (folder / "log.txt").open("ab") as log:
            server = subprocess.Popen(
                command, cwd=ROOT, env=settings | {"LAPEL_AUTH_FILE": str(auth)}, stdout=log, stderr=log
            )
        wait_until_open(bench.port, server, WAIT_MS / 1000)
        yield Served(bench, running, browser)
        server.terminate()
        server.wait(timeout=120)


def sign_in(page: Page, who: str) -> None:
    """Press the button, and choose a person at the provider."""
    choice = page.get_by_role("link", name=who, exact=True)
    press(page.get_by_role("button", name="Sign in"), choice)
    choice.click()


def menu(page: Page) -> list[str]:
    """The pages in the menu."""
    links = page.get_by_test_id("stTopNavLink")
    return [re.sub(r"^[a-z_]+\n", "", text).strip() for text in links.all_inner_texts()]


def cookies(page: Page) -> str:
    """The browser's cookies as another client would send them."""
    return "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies())


def pictures(page: Page) -> list[str]:
    """The addresses of the pictures on the page, without the host."""
    found = page.evaluate(
        "() => performance.getEntriesByType('resource').map(e => e.name).filter(n => n.includes(':') &&"
        " new URL(n).pathname.startsWith('/media/')).map(n => new URL(n).pathname)"
    )
    return [str(path) for path in found]


def test_a_link_opened_before_the_sign_in_leads_where_it_was_to_lead(served: Served):
    with served.visitor("/data?data=Progress") as page:
        sign_in(page, "anna")
        expect(page.get_by_role("tab", name="Progress")).to_have_attribute("aria-selected", "true")
        assert page.url == f"{served.url}/data?data=Progress"
        page.goto(served.url)
        expect(page.get_by_role("heading", name="Label clothing photos")).to_be_visible()


def test_a_visitor_sees_the_sign_in_and_nothing_else(served):
    with served.visitor("/") as page:
        for path in ("/", "/annotate", "/data?data=Photos", "/people", "/nothing"):
            page.goto(served.url + path)
            expect(page.get_by_role("button", name="Sign in")).to_be_visible()
            settled(page)
            assert menu(page) == [] and page.get_by_test_id("stFileUploader").count() == 0, path
            assert page.get_by_test_id("stException").count() == 0, path


@pytest.mark.parametrize("role", [*Role, "nobody"])
def test_each_role_sees_its_pages_in_the_menu_and_no_other_by_its_address(served, role):
    rights = RIGHTS[Role.MERCHANT if role == "nobody" else role]
    with served.signed_in(str(role)) as page:
        titles = [entry.title for entry in PAGES.values() if entry.right in rights]
        assert menu(page) == (titles if len(titles) > 1 else [])  # a single page needs no menu
        for name, entry in PAGES.items():
            if name == "preview":
                continue
            missing = page.get_by_text("The page that you have requested does not seem to exist")
            address = entry.url_path or name
            if entry.right in rights:
                if missing.count():  # the sentence on the page before lies over the menu
                    page.goto(served.url)
                    settled(page)
                page.get_by_test_id("stTopNavLink").filter(has_text=entry.title).click()
                expect(page).to_have_url(re.compile(f"/{address}"))
                settled(page)
                assert missing.count() == 0 and page.get_by_test_id("stException").count() == 0, name
            else:
                page.goto(f"{served.url}/{address}")
                expect(missing).to_be_visible()
                expect(page.get_by_role("heading", name="Label clothing photos")).to_be_visible()


def test_a_merchant_labels_photos_but_keeps_none(served):
    for who, keeps in (("merchant", False), ("annotator", True)):
        with served.signed_in(who) as page:
            downloads = page.get_by_role("heading", name="Download")
            press(page.get_by_role("button", name="Try it with drawn samples"), downloads)
            settled(page)
            for label in ("Save to store", "Report wrong labels"):
                assert bool(page.get_by_role("button", name=label).count()) is keeps


def test_signing_out_shows_the_sign_in_again(served):
    with served.signed_in("annotator") as page:
        press(page.locator(".st-key-account button:visible"), page.get_by_text("annotator@example.com"))
        expect(page.get_by_text("Role: annotator")).to_be_visible()
        press(page.get_by_role("button", name="Sign out"), page.get_by_role("button", name="Sign in"))
        assert "_streamlit_user=" not in cookies(page)
        page.goto(f"{served.url}/annotate")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_an_admin_changes_a_role_which_counts_at_the_next_click_and_is_noted_down(served):
    with served.signed_in("anna") as annas, served.signed_in("admin") as admins:
        annas.goto(f"{served.url}/annotate")
        expect(annas.locator(".canvas")).to_be_visible()
        admins.goto(f"{served.url}/people")
        choice = admins.get_by_role("combobox", name=re.compile("anna@example.com"))
        merchant = admins.get_by_role("option", name="merchant", exact=True)
        press(choice, merchant)
        merchant.click()
        expect(admins.get_by_text("anna@example.com is merchant from now on.")).to_be_visible()

        history = annas.get_by_text("History", exact=True)  # a part of the page that runs by itself
        press(history, annas.get_by_text("may not"))
        annas.goto(f"{served.url}/annotate")
        expect(annas.get_by_role("heading", name="Label clothing photos")).to_be_visible()
        assert menu(annas) == ["Label photos", "API"]

        admins.goto(f"{served.url}/people?people=Audit+log")
        with admins.expect_download() as download:
            admins.get_by_role("button", name="Download as CSV", exact=True).click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert "admin@example.com,role,anna@example.com" in text


def test_pictures_are_for_those_who_were_shown_them(served):
    with served.signed_in("researcher") as page, served.signed_in("merchant") as other:
        page.goto(f"{served.url}/data?data=Photos")
        expect(page.get_by_text("6 photos")).to_be_visible()
        page.wait_for_function(
            "() => performance.getEntriesByType('resource').some(e => e.name.includes('/media/') && "
            "!e.name.includes('/static/'))"
        )
        address = pictures(page)[0]
        assert served.status(address, cookie=cookies(page)) == 200
        assert served.status(address, cookie=cookies(other)) == 404
        assert served.status(address) == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/media/0123456789abcdef.jpg"),
        ("PUT", "/_stcore/upload_file/session/file"),
        ("DELETE", "/_stcore/upload_file/session/file"),
        ("GET", "/component/any/file.json"),
        ("GET", "/_stcore/bidi-components/any/file.json"),
        ("GET", "/_stcore/metrics"),
        ("POST", "/_stcore/agent/interact"),
    ],
)
def test_to_a_client_without_a_sign_in_there_are_no_data(served, method, path):
    assert served.status(path, method) == 404
    assert served.status(path, method, cookie="_streamlit_user=forged") == 404


def test_the_frontend_and_its_health_stay_open(served):
    assert served.status("/_stcore/health") == 200 and served.status("/") == 200


def test_every_right_that_opens_a_page_is_somebodys():
    assert {entry.right for entry in ENTRIES} <= {right for rights in RIGHTS.values() for right in rights}
    assert Right.PEOPLE in RIGHTS[Role.ADMIN]
