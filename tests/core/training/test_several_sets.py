"""One training on several sets that label different categories."""

from dataclasses import replace

import pytest
import torch

from core.datasets.coco import write_coco
from core.training import run as running
from core.training.recipes import TrainingOptions
from tests.core.training.samples import draw_rectangles, pico_recipe


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two COCO files: red and blue rectangles, and others of which only the red are boxed."""
    found = []
    for seed, name in enumerate(("both", "reds")):
        folder = tmp_path_factory.mktemp(name)
        dataset = draw_rectangles(folder / "photos", 4, seed=seed)
        if name == "reds":
            photos = (
                replace(p, boxes_xyxy=p.boxes_xyxy[:1], category_ids=[0], labels=()) for p in dataset.photos
            )
            dataset = replace(dataset, photos=tuple(photos), labeled_categories=("red",))
        write_coco(dataset, folder / "train.json")
        found.append(folder / "train.json")
    return found


def train(files, out, monkeypatch, *, stop_before=None, resume=False):
    """Three epochs of the smallest detector; ``stop_before`` ends it as a killed process would."""
    both, reds = files
    real = running.fit

    def fit(module, data, **settings):
        def stop(batch, index):
            if module.current_epoch == stop_before:
                raise InterruptedError

        module.on_train_batch_start = stop
        return real(module, data, **settings, precision="32-true", progress_bar=False)

    options = TrainingOptions(
        both, both, extra=(reds,), shares={reds: 0.5}, out=out, device="cpu", resume=resume
    )
    with monkeypatch.context() as patched:
        patched.setattr(running, "fit", fit)
        running.train_detector(pico_recipe(mosaic=0.5, validate_every=3), options)


def test_resumed_it_ends_as_an_unbroken_run_does(files, tmp_path, monkeypatch):
    train(files, tmp_path / "unbroken", monkeypatch)
    with pytest.raises(InterruptedError):
        train(files, tmp_path / "broken", monkeypatch, stop_before=2)
    train(files, tmp_path / "broken", monkeypatch, resume=True)
    first, second = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("unbroken", "broken")
    )
    for part in ("state_dict", "current_model_state"):
        assert first[part].keys() == second[part].keys()
        assert all(torch.equal(value, second[part][name]) for name, value in first[part].items())
