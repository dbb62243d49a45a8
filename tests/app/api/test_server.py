"""The API: actions of the pages over HTTP, with a token's rights; faults as one sentence and a status."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import streamlit as st
from starlette.testclient import TestClient

from app.api import photos
from app.api.client import Lapel, LapelApiError
from app.api.server import build_api
from app.auth.identity import ACTORS
from core.files import DATA_VARIABLE
from core.garments import Garment
from core.inference.predictions import UNAIDED_HOLDOUT_SETTING
from core.jobs.import_steps import import_here
from core.jobs.steps import Steps
from core.store import Store
from core.store.projects import add_project, open_chosen
from tests.app.annotating import filled_store
from tests.app.signing_in import configure
from tests.core.store.conftest import drawn
from tests.core.store.models import add_candidate, watch_exports
from tests.core.store.rows import add_models
from tests.fakes import FakeLabeler
from tests.pictures import jpeg

BOX = {"box": [10, 20, 40, 60], "category": "top"}


@pytest.fixture
def store(monkeypatch, tmp_path: Path) -> Store:
    """The store that the API opens, with two photos in the queue."""
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL", "LAPEL_ADMINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    ACTORS.forget()
    st.cache_resource.clear()
    return filled_store(tmp_path, 2, predicted=True)


@pytest.fixture
def http(store) -> TestClient:
    return TestClient(build_api(), base_url="http://lapel", raise_server_exceptions=False)


class UnderApi(TestClient):
    """The API where the workspace has it: below /api."""

    def request(self, method, url, **options):
        return super().request(method, str(url).replace("/api/v1", "/v1"), **options)

    def stream(self, method, url, **options):
        return super().stream(method, str(url).replace("/api/v1", "/v1"), **options)


@pytest.fixture
def lapel(store) -> Lapel:
    """The client as Ann, without a sign-in."""
    token = store.api_tokens.create("test", person="ann")
    return Lapel("http://lapel", token, http=UnderApi(build_api(), base_url="http://lapel"))


def refused(act, status: int) -> str:
    with pytest.raises(LapelApiError) as caught:
        act()
    assert caught.value.status == status
    return str(caught.value)


def test_without_a_valid_token_nothing_is_answered(http, store):
    for headers in ({}, {"Authorization": "Bearer lapel_x"}, {"Authorization": "Basic x"}):
        answer = http.get("/v1/me", headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"].startswith("Expected a")


def test_every_call_but_the_documentation_takes_a_token(http):
    described = http.get("/v1/openapi.json").json()
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            assert told["security"], (method, path)
            place = path.replace("{id}", "1").replace("{number}", "1").replace("{uid}", "x")
            assert http.request(method, place.replace("{kind}", "detector")).status_code == 401
    page = http.get("/").text
    assert "openapi.json" in page and "http://" not in page and "https://" not in page


def test_a_task_is_taken_annotated_frozen_and_exported(lapel, store, tmp_path):
    assert lapel.me()["name"] == "ann"
    task = lapel.next_task()
    photo = lapel.call("GET", f"/photos/{task['photo']}")
    assert photo["garments"][0]["category"] == "top" and photo["width"] == 90
    assert lapel.picture(task["photo"])[:2] == b"\xff\xd8"
    body = {"boxes": [BOX], "seconds": 3, "note": "by hand"}
    saved = lapel.call("POST", f"/tasks/{task['id']}/annotation", json=body)
    assert saved["version"] == 1 and saved["author"] == "ann" and saved["boxes"][0]["category"] == "top"
    assert lapel.call("GET", "/queue")["done"] == 1
    made = lapel.create_revision("from a script")
    assert made["photos"] == 1 and made["by"] == "ann"
    coco = json.loads(lapel.export(made["number"], tmp_path / "out.json").read_text())
    assert [entry["bbox"] for entry in coco["annotations"]] == [[10, 20, 30, 40]]
    lapel.export(made["number"], tmp_path / "out.zip", "yolo", pictures=True)
    assert any(name.endswith(".jpg") for name in zipfile.ZipFile(tmp_path / "out.zip").namelist())


def test_a_box_that_comes_back_keeps_where_it_came_from(lapel, store):
    first = lapel.annotate(1, [BOX | {"label": "Shirt"}, BOX | {"box": [50, 20, 80, 60]}])
    uid = first["boxes"][0]["uid"]
    again = lapel.annotate(1, [BOX | {"uid": uid, "label": "Blouse"}], base_version=1)
    assert [(box["uid"], box["label"], box["changed"]) for box in again["boxes"]] == [(uid, "Blouse", True)]
    assert [version["version"] for version in lapel.annotations(1)] == [1, 2]


def test_a_save_that_is_not_based_on_the_newest_is_refused_with_its_number(lapel, http, store):
    lapel.annotate(1, [])
    sentence = refused(lambda: lapel.annotate(1, [BOX]), 409)
    assert "saved version 1" in sentence and len(lapel.annotations(1)) == 1


def test_a_save_sent_twice_is_one_version(lapel):
    body = {"boxes": [BOX], "request": "r-1"}
    first, second = (lapel.call("POST", "/photos/1/annotations", json=body) for _ in range(2))
    assert first == second and len(lapel.annotations(1)) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"boxes": [{"box": [1, 2, 3], "category": "top"}]}, "boxes.0.box.3: Field required"),
        ({"boxes": [{"box": [1, 2, 3, "x"], "category": "top"}]}, "valid number"),
        ({"boxes": [BOX | {"catgory": "top"}]}, "boxes.0.catgory: Extra inputs are not permitted"),
        (
            {"boxes": [BOX | {"category": "no such"}]},
            "box 1: expected a category of the store, got 'no such'",
        ),
        ({"boxes": [BOX | {"box": [40, 20, 10, 60]}]}, "finite corners"),
        ({"boxes": [BOX | {"flags": ["two words"]}]}, "names without blanks"),
        ({"boxes": [BOX], "base_version": 7}, "begin from 0"),
        ({}, "boxes: Field required"),
    ],
)
def test_a_bad_body_is_refused_in_a_sentence_and_nothing_is_saved(lapel, body, said):
    with pytest.raises(LapelApiError, match=said) as caught:
        lapel.call("POST", "/photos/1/annotations", json=body)
    assert caught.value.status in (400, 422) and lapel.annotations(1) == []


def test_photos_are_imported_and_reported(lapel, store, tmp_path):
    names = []
    for name, data in (("new.jpg", jpeg(shade=200)), ("broken.jpg", b"\xff\xd8 no photo")):
        (tmp_path / name).write_bytes(data)
        names.append(tmp_path / name)
    begun = lapel.add_photos(names)
    assert lapel.call("GET", f"/jobs/{begun['job']}")["state"] == "waiting"
    import_here(store, begun["import"], steps=Steps(store))
    report = lapel.wait_for_import(begun["import"])
    assert report["counts"]["new"] == 1 and "folder" not in report and report["by"] == "ann"
    assert [entry["name"] for entry in report["report"]] == ["broken.jpg"]
    (new,) = lapel.photos(text="new")
    assert new["name"] == "new.jpg" and report["fell_to_holdout"] == int(new["holdout"])
    assert sum(1 for _ in lapel.photos(annotated=False)) == 3


def test_of_a_holdout_photo_that_is_annotated_unaided_no_garments_are_told(lapel, store):
    held = store.photos.add(drawn(5, holdout=True), by="ann").row
    assert held is not None
    store.predictions.save(held.id, add_models(store.database), [Garment((1, 1, 9, 9), "top", 0.9)], None)
    told = lapel.call("GET", f"/photos/{held.id}")
    assert len(told["garments"]) == 1 and told["unaided"] is False
    store.settings.put(UNAIDED_HOLDOUT_SETTING, True)
    told = lapel.call("GET", f"/photos/{held.id}")
    assert told["garments"] is None and told["unaided"] is True
    (other, *_) = lapel.photos(holdout=False)
    assert lapel.call("GET", f"/photos/{other['id']}")["garments"]


def test_a_photo_is_labeled_without_being_stored(lapel, store, tmp_path, monkeypatch):
    monkeypatch.setattr(photos, "labeler_of", lambda store: FakeLabeler())
    (tmp_path / "a.jpg").write_bytes(jpeg())
    assert lapel.label(tmp_path / "a.jpg")["photo"] == "a.jpg"
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    assert refused(lambda: lapel.label(tmp_path / "b.jpg"), 422)
    assert store.photos.count() == 2


def test_a_training_is_started_followed_and_cancelled(lapel, store):
    lapel.annotate(1, [BOX])
    number = lapel.create_revision()["number"]
    assert "expected" in refused(lambda: lapel.train("hat", number), 400)
    begun = lapel.train("detector", number)
    assert (begun["state"], begun["revision"], begun["by"]) == ("waiting", number, "ann")
    assert lapel.call("GET", f"/trainings/{begun['id']}")["curve"] == []
    assert lapel.call("POST", f"/trainings/{begun['id']}/cancel")["state"] == "cancelled"
    assert refused(lambda: lapel.call("GET", "/trainings/99"), 404)


def test_models_are_listed_and_the_gate_holds_for_scripts_too(lapel):
    shipped = [model for model in lapel.models("detector") if model["serves"]]
    assert len(shipped) == 1 and shipped[0]["card"]["categories"]
    body = {"expected_champion": shipped[0]["id"]}
    said = refused(lambda: lapel.call("POST", f"/models/{shipped[0]['id']}/promote", json=body), 400)
    assert "serves already" in said
    assert lapel.call("GET", "/promotions")[0]["action"] == "first"


def test_a_model_is_exported_before_it_serves(lapel, store, tmp_path, monkeypatch, tiny_ships):
    store.models.register_shipped()
    candidate, first = add_candidate(store, tmp_path), store.models.champion("detector")
    exports = watch_exports(monkeypatch, store)
    body = {"expected_champion": first.id, "overrule_reason": "I know it"}
    assert lapel.call("POST", f"/models/{candidate.id}/promote", json=body)["model_id"] == candidate.id
    assert lapel.call("POST", "/rollback/detector", json={})["model_id"] == first.id
    assert exports == [(candidate.id, first.id), (first.id, candidate.id)]


def test_webhooks_are_managed_and_their_secret_is_told_once(lapel):
    made = lapel.call(
        "POST", "/webhooks", json={"url": "http://127.0.0.1:9/", "events": ["revision.created"]}
    )
    assert made["secret"].startswith("whsec_")
    (listed,) = lapel.call("GET", "/webhooks")
    assert "secret" not in listed and listed["active"]
    sent = lapel.call("POST", f"/webhooks/{made['id']}/test")
    assert [row["uid"] for row in lapel.call("GET", f"/webhooks/{made['id']}/deliveries")] == [sent["uid"]]
    assert not lapel.call("PATCH", f"/webhooks/{made['id']}", json={"active": False})["active"]
    assert lapel.call("DELETE", f"/webhooks/{made['id']}") is None and lapel.call("GET", "/webhooks") == []


def test_with_a_sign_in_a_token_has_the_rights_of_its_person_now(lapel, store, monkeypatch):
    configure(monkeypatch)
    assert refused(lapel.me, 401)  # ann has never signed in
    store.users.sign_in("chief", "0", ["admin"])
    store.users.sign_in("ann", "1", ["annotator"])
    assert lapel.me()["roles"] == ["annotator"]
    lapel.annotate(1, [BOX])
    for act in (
        lambda: lapel.train("detector", 1),
        lambda: lapel.call("GET", "/webhooks"),
        lambda: lapel.call("DELETE", "/photos/1"),
        lambda: lapel.call("POST", "/categories", json={"name": "cape"}),
        lambda: lapel.call("POST", "/rollback/detector", json={}),
    ):
        assert "ann may not" in refused(act, 403)
    store.users.sign_in("ann", "1", ["merchant"])
    assert "may not see the store's photos" in refused(lambda: next(lapel.photos()), 403)


def test_a_project_has_tokens_and_photos_of_its_own(lapel, store):
    slug = add_project(store, "Second").slug
    second = open_chosen(store.folder, slug)
    token = second.api_tokens.create("test", person="bo")
    there = Lapel("http://lapel", token, project=slug, http=UnderApi(build_api(), base_url="http://lapel"))
    assert there.me()["name"] == "bo" and list(there.photos()) == [] and len(list(lapel.photos())) == 2
    lapel_there = Lapel("http://lapel", token, http=UnderApi(build_api(), base_url="http://lapel"))
    refused(lapel_there.me, 401)
    nowhere = Lapel("http://lapel", token, project="no", http=UnderApi(build_api(), base_url="http://lapel"))
    assert refused(nowhere.me, 404) == "There is no project 'no'."


def test_a_body_that_is_too_large_is_refused_as_it_arrives(store):
    token = store.api_tokens.create("test", person="ann")
    small = TestClient(build_api(most_bytes=2**20), raise_server_exceptions=False)
    files = {"file": ("a.jpg", io.BytesIO(b"x" * (2**20 + 1)))}
    answer = small.post("/v1/label", files=files, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "Expected at most 1 MiB a request, got more."},
    )


def test_a_fault_of_the_server_is_one_sentence_too(lapel, store, monkeypatch):
    def broken(store: Store) -> FakeLabeler:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(photos, "labeler_of", broken)
    http = TestClient(build_api(), raise_server_exceptions=False)
    headers = {"Authorization": f"Bearer {store.api_tokens.create('x', person='ann')}"}
    answer = http.post("/v1/label", files={"file": ("a.jpg", jpeg())}, headers=headers)
    assert answer.status_code == 500 and "secret detail" not in answer.text


def test_the_api_is_no_part_of_the_workspaces_start():
    code = "import sys, app.__main__; sys.exit('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0
