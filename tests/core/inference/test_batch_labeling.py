"""Runs of labeling without the store: exactly one row a photo, whenever it was cut off, in both formats."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.addresses import Address, AddressError
from core.errors import LapelError
from core.inference import batch_labeling
from core.inference.batch_labeling import BatchPlan, BatchRun
from tests.fakes import FakeLabeler
from tests.object_store import ObjectStore
from tests.pictures import jpeg

MODELS = {kind: {"name": f"fake-{kind}", "digest": "0" * 64} for kind in ("detector", "classifier")}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_labeling, "RETRY_SECONDS", (0.0, 0.0))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten photos in two folders, one file that is none though called so, a note and a hidden photo."""
    for number in range(10):
        path = tmp_path / "photos" / ("more" if number % 3 == 0 else ".") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg())
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"<html>")
    (tmp_path / "photos" / "notes.txt").write_bytes(b"no photo")
    (tmp_path / "photos" / ".hidden.jpg").write_bytes(jpeg())
    return tmp_path / "photos"


def plan(source: object, commit: str = "abc") -> BatchPlan:
    return BatchPlan(str(source), 0.5, MODELS, ("parquet", "jsonl"), 4, commit)


def whole(run: BatchRun, labeler: FakeLabeler | None = None) -> dict:
    done = run.records()
    for shard in range(run.plan.shards):
        if shard not in done:
            run.label_shard(shard, labeler or FakeLabeler())
    return run.finish()


def lines_of(run: BatchRun) -> list[dict]:
    parts = [run.out.read(f"jsonl/{name}") for name in run.out.names("jsonl")]
    return [json.loads(line) for part in parts for line in part.splitlines()]


def rows_of(run: BatchRun) -> list[dict]:
    parts = [run.out.read(f"parquet/{name}") for name in run.out.names("parquet")]
    return [row for part in parts for row in pq.read_table(io.BytesIO(part)).to_pylist()]


@pytest.mark.parametrize("place", ["folder", "memory", "s3"])
def test_each_photo_has_one_row_in_both_formats(photos, tmp_path, request, place):
    if place == "s3":
        request.getfixturevalue("s3")
    address = {
        "folder": str(tmp_path / "run"),
        "memory": f"memory://{tmp_path.name}",
        "s3": "s3://bucket/run/",
    }
    run = BatchRun.begin(plan(photos), Address.of(address[place]))
    manifest = whole(run)
    lines, rows = lines_of(run), rows_of(run)
    names = [line["photo"] for line in lines]
    assert sorted(names) == sorted(
        ["broken.jpg", *(f"more/{n}.jpg" if n % 3 == 0 else f"{n}.jpg" for n in range(10))]
    )
    assert [row["photo"] for row in rows] == names
    good = lines[names.index("1.jpg")]
    assert list(good) == ["photo", "width", "height", "seconds", "models", "garments"]
    row = rows[names.index("1.jpg")]
    assert [garment["box"] for garment in row["garments"]] == [garment["box"] for garment in good["garments"]]
    assert row["garments"][0]["top5"][0] == dict(
        zip(("label", "probability"), good["garments"][0]["top5"][0], strict=True)
    )
    assert {name: row[name] for name in ("width", "seconds", "models", "error")} == {
        **{name: good[name] for name in ("width", "seconds", "models")}, "error": None,
    }  # fmt: skip
    bad = rows[names.index("broken.jpg")]
    assert bad["garments"] is None and bad["error"] == lines[names.index("broken.jpg")]["error"]
    counts = {name: manifest[name] for name in ("photos", "labeled", "failed", "passed_over", "commit")}
    assert counts == {"photos": 11, "labeled": 10, "failed": 1, "passed_over": 1, "commit": "abc"}
    assert manifest["failures"] == [{"photo": "broken.jpg", "error": bad["error"]}]
    assert manifest["models"] == MODELS and manifest["threshold"] == 0.5
    assert [shard["photos"] for shard in manifest["shards"]] == [4, 4, 3]
    for file in (file for shard in manifest["shards"] for file in shard["files"]):
        data = run.out.read(file["name"])
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert json.loads(run.out.read("manifest.json")) == manifest


def test_a_run_goes_on_with_what_is_not_done(photos, tmp_path):
    out, first, second = Address.of(str(tmp_path / "run")), FakeLabeler(), FakeLabeler()
    BatchRun.begin(plan(photos), out).label_shard(1, first)
    (photos / "later.jpg").write_bytes(jpeg())
    (tmp_path / "run" / "parquet" / "part-00000.parquet").write_bytes(b"a part without a record")
    run = BatchRun.begin(plan(photos, commit="def"), out)
    with pytest.raises(LapelError, match="all shards .* to be done, 2 are not"):
        run.finish()
    assert whole(run, second)["photos"] == 11 and run.plan.commit == "abc"
    assert first.calls + second.calls == 10 and 0 < first.calls <= 4
    names = [row["photo"] for row in rows_of(run)]
    assert len(names) == len(set(names)) == 11 and "later.jpg" not in names


def test_a_record_that_was_cut_off_counts_as_none(photos, tmp_path):
    run = BatchRun.begin(plan(photos), Address.of(str(tmp_path / "run")))
    run.label_shard(0, FakeLabeler())
    run.out.write("run/done/00001.json", b'{"shard": 1, "pho')
    assert list(run.records()) == [0]


def test_a_plan_that_was_cut_off_is_made_anew(photos, tmp_path):
    out = Address.of(str(tmp_path / "run"))
    out.write("run/photos/00000.json", b'["gone.jpg"]')
    assert "gone.jpg" not in BatchRun.begin(plan(photos), out).photos_of(0)


def test_a_cancelled_shard_leaves_nothing(photos, tmp_path):
    run = BatchRun.begin(plan(photos), Address.of(str(tmp_path / "run")))
    seen: list[int] = []
    assert run.label_shard(0, FakeLabeler(), lambda: seen.append(1), lambda: len(seen) == 2) is None
    assert len(seen) == 2 and run.records() == {} and list(run.out.names("parquet")) == []


@pytest.mark.parametrize(
    "changed",
    [{"threshold": 0.4}, {"models": {}}, {"formats": ("jsonl",)}, {"shard_photos": 5}, {"source": "/other"}],
)
def test_another_run_at_the_same_place_is_refused(photos, tmp_path, changed):
    out = Address.of(str(tmp_path / "run"))
    BatchRun.begin(plan(photos), out)
    name = next(iter(changed)).replace("_", " ")
    with pytest.raises(LapelError, match=rf"a run with another {name} .* give this run another --out"):
        BatchRun.begin(replace(plan(photos), **changed), out)


def test_a_place_without_photos_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_bytes(b"")
    for source, found in (("empty", "1 other files"), ("missing", "nothing")):
        with pytest.raises(LapelError, match=f"expected photos .* got {found} there"):
            BatchRun.begin(plan(tmp_path / source), Address.of(str(tmp_path / "run")))


def test_a_single_photo_and_results_within_the_photos(photos):
    run = BatchRun.begin(plan(photos / "1.jpg"), Address.of(str(photos / "one")))
    assert whole(run)["photos"] == 1 and lines_of(run)[0]["photo"] == "1.jpg"
    (photos / "one" / "stray.jpg").write_bytes(jpeg())
    (photos / "one" / "run" / "plan.json").unlink()
    assert BatchRun.begin(plan(photos), Address.of(str(photos / "one"))).plan.photos == 11


def test_photos_that_go_are_rows_and_a_store_that_is_away_ends_the_shard(photos, s3: ObjectStore):
    s3.objects |= {f"bucket/photos/{number}.jpg": jpeg() for number in range(4)}
    run = BatchRun.begin(plan("s3://bucket/photos/"), Address.of("s3://bucket/run"))
    del s3.objects["bucket/photos/2.jpg"]
    s3.denied.add("bucket/photos/3.jpg")
    with pytest.raises(AddressError, match=r"s3://bucket/photos/3\.jpg cannot be used"):
        run.label_shard(0, FakeLabeler())
    assert run.records() == {}
    s3.denied.clear()
    assert whole(run)["failures"] == [{"photo": "2.jpg", "error": "There is no such file any more."}]


def test_a_source_that_is_not_seen_here_ends_the_shard_with_nothing_recorded(photos, tmp_path):
    run = BatchRun.begin(plan(photos), Address.of(str(tmp_path / "run")))
    photos.rename(tmp_path / "elsewhere")
    with pytest.raises(AddressError, match="there is no such folder on this machine"):
        run.label_shard(0, FakeLabeler())
    photos.mkdir()  # where a disk is to be mounted
    with pytest.raises(AddressError, match=r"none of the 4 photos of shard 0 can be read there"):
        run.label_shard(0, FakeLabeler())
    assert run.records() == {} and list(run.out.names("jsonl")) == []
    photos.rmdir()
    (tmp_path / "elsewhere").rename(photos)
    gone = run.photos_of(2)
    for name in gone:
        (photos / name).unlink()
    assert {row["photo"] for row in whole(run)["failures"]} == {"broken.jpg", *gone}


def test_a_bucket_that_is_gone_ends_the_shard(s3: ObjectStore):
    s3.objects |= {f"bucket/photos/{number}.jpg": jpeg() for number in range(8)}
    run = BatchRun.begin(plan("s3://bucket/photos/"), Address.of("s3://other/run"))
    s3.no_buckets.add("bucket")
    with pytest.raises(AddressError, match=r"s3://bucket/photos/? cannot be used"):
        run.label_shard(0, FakeLabeler())
    assert run.records() == {}


def test_names_that_are_no_text_come_back(tmp_path):
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / name).write_bytes(jpeg())
    run = BatchRun.begin(plan(tmp_path / "photos"), Address.of(str(tmp_path / "run")))
    assert whole(run)["labeled"] == 1
    assert lines_of(run)[0]["photo"] == name and rows_of(run)[0]["photo"] == "caf\\udce9.jpg"
