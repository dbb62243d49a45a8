"""A run by the workers of a store: shards that any takes, cancelled, resumed, by the run's own models."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from dbos import DBOS

from core.addresses import Address
from core.cli.batch_labeling import label_batch as run_command
from core.errors import LapelError
from core.inference import batch_labeling as runs
from core.jobs import batch_labeling as jobs
from core.jobs.batch_labeling import label_shard, pending_shards, start_batch
from core.jobs.client import RUN, cancel
from core.jobs.steps import JobCancelled
from core.store.models import KINDS
from core.store.predictions import ModelPair
from tests.core.jobs.conftest import settle
from tests.databases import on_sqlite
from tests.object_store import ObjectStore
from tests.pictures import jpeg
from tests.waiting import PATIENCE_SECONDS

PHOTOS = 12


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Photos in a folder, and a file that is none."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(PHOTOS - 1):
        (folder / f"{number:02d}.jpg").write_bytes(jpeg(shade=number))
    (folder / "broken.jpg").write_bytes(b"<html>")
    return folder


@pytest.fixture
def begun(context, source, tmp_path):
    """A run in shards of two photos that no worker has begun, and its job."""
    chosen = {"source": str(source), "formats": ("jsonl",), "shard_photos": 2}
    return start_batch(context.store, chosen, Address.of(str(tmp_path / "run")), None, "ada")


def names_of(run: runs.BatchRun) -> list[str]:
    parts = [run.out.read(f"jsonl/{name}") for name in run.out.names("jsonl")]
    return [json.loads(line)["photo"] for part in parts for line in part.splitlines()]


def test_workers_do_a_run_and_its_job_tells_how_it_went(begun, worker):
    run, job = begun
    settle(worker)
    row = worker.store.jobs.get(job)
    assert (row.kind, row.state, row.done, row.total) == (RUN, "done", PHOTOS, PHOTOS)
    assert row.message == "1 photos could not be read."
    assert len(names_of(run)) == len(set(names_of(run))) == PHOTOS
    assert json.loads(run.out.read("manifest.json"))["failed"] == 1
    assert worker.store.photos.count() == 0


@on_sqlite
def test_a_cancelled_run_keeps_its_shards_and_goes_on(begun, context, worker, source, monkeypatch):
    run, job = begun
    found = pending_shards(context, job)
    label_shard(context, job, found["out"], found["pending"][0], found["models"])
    cancel(context.store, job)
    assert label_shard(context, job, found["out"], found["pending"][1], found["models"]) == {"photos": 0}
    context.steps.cancel(job)
    with pytest.raises(JobCancelled):
        pending_shards(context, job)
    settle(worker)
    assert len(run.records()) == 1
    chosen = {"source": str(source), "formats": ("jsonl",), "shard_photos": 2}
    assert start_batch(context.store, chosen, run.out, None, "ada")[1] == job
    settle(worker)
    assert context.store.jobs.get(job).state == "done" and len(names_of(run)) == PHOTOS


@on_sqlite
def test_a_small_run_does_not_wait_for_a_large_one(begun, context, worker, source, tmp_path, monkeypatch):
    _, large = begun
    (tmp_path / "few").mkdir()
    (source / "00.jpg").rename(tmp_path / "few" / "00.jpg")
    chosen = {"source": str(tmp_path / "few"), "formats": ("jsonl",), "shard_photos": 2}
    order, handed_out, enqueue = list[str](), threading.Event(), DBOS.enqueue_workflow

    def enqueue_and_tell(queue, workflow, job, *more):
        handle = enqueue(queue, workflow, job, *more)
        if queue == jobs.SHARDS and job != large:
            handed_out.set()
        return handle

    def label(context, job, *more):
        order.append(job)
        if len(order) == 1:  # the small one is begun while the large one is at work
            start_batch(context.store, chosen, Address.of(str(tmp_path / "small")), None, "ada")
            assert handed_out.wait(PATIENCE_SECONDS)
        return label_shard(context, job, *more)

    monkeypatch.setattr(DBOS, "enqueue_workflow", enqueue_and_tell)
    monkeypatch.setattr(jobs, "label_shard", label)
    settle(worker)
    assert order[0] == large and order[-1] == large and len(order) == PHOTOS // 2 + 1


@on_sqlite
def test_a_run_whose_photos_are_away_fails_with_a_sentence_and_is_tried_again(
    context, worker, s3: ObjectStore, monkeypatch
):
    monkeypatch.setattr(runs, "RETRY_SECONDS", (0.0,))
    s3.objects |= {f"bucket/in/{n}.jpg": jpeg(shade=n) for n in range(6)}
    s3.denied.add("bucket/in/3.jpg")
    chosen = {"source": "s3://bucket/in", "formats": ("parquet", "jsonl"), "shard_photos": 2}
    run, job = start_batch(context.store, chosen, Address.of("s3://bucket/out"), 0.4, "ada")
    settle(worker)
    row = context.store.jobs.get(job)
    assert row.state == "failed" and "s3://bucket/in/3.jpg cannot be used" in row.message
    s3.denied.clear()
    start_batch(context.store, chosen, Address.of("s3://bucket/out"), 0.4, "ada")
    settle(worker)
    assert context.store.jobs.get(job).state == "done" and len(names_of(run)) == 6


@on_sqlite
def test_a_run_goes_on_with_the_models_it_was_begun_with(begun, context, monkeypatch):
    run, job = begun
    asked: list[ModelPair] = []
    other = ModelPair(98, 99)
    monkeypatch.setattr("core.inference.predictions.model_pair", lambda store, labeler: other)
    monkeypatch.setattr(
        "core.inference.model_cache.load_pair",
        lambda store, models, device: asked.append(models) or context.labeler,
    )
    found = pending_shards(context, job)
    for shard in found["pending"][:2]:
        label_shard(context, job, found["out"], shard, found["models"])
    serving = {kind: context.store.models.champion(kind).id for kind in KINDS}
    assert asked == [ModelPair(serving["detector"], serving["classifier"])]  # loaded once
    assert len(run.records()) == 2


@on_sqlite
def test_the_command_follows_the_workers(context, source, tmp_path, monkeypatch, worker, capsys):
    store = context.store
    monkeypatch.setattr("core.cli.batch_labeling.open_store", lambda data: store)
    monkeypatch.setattr("core.jobs.worker_lock.held_locks", lambda store: [])
    clock = SimpleNamespace(sleep=lambda seconds: settle(worker), monotonic=time.monotonic)
    monkeypatch.setattr("core.cli.batch_labeling.time", clock)
    asked = {"formats": (), "shard_photos": 5, "device": "auto", "data": None, "weights": ()}
    out = str(tmp_path / "run")
    assert run_command([str(source)], out, threshold=None, by_workers=True, **asked) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["labeled"] == PHOTOS - 1
    assert said.err.count("No worker of this store is alive") == 1
    with pytest.raises(LapelError, match="a run with another threshold"):
        run_command([str(source)], out, threshold=0.9, by_workers=True, **asked)
