"""The loop is tried on a network of two layers; what the real models add is tested with them."""

import json

import pytest
import torch
from lightning.pytorch import LightningModule
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from core.errors import RecipeError
from core.training import trainer
from core.training.sampler import EpochSampler
from core.training.trainer import (
    ShareTheCores,
    TrainingData,
    cosine_with_warmup,
    finished_epochs,
    fit,
    parameter_groups,
    pick_device,
    truncate_history,
)

SCORES = (0.2, 0.9, 0.4, 0.6)
"""What the network scores after each epoch, as if measured."""


class Killed(Exception):
    """Stands for a process that is killed."""


class Small(LightningModule):
    """Dropout and batch norm, so that a wrong random state or a lost statistic shows; killed on demand."""

    def __init__(self, killed_in_epoch=None):
        super().__init__()
        torch.manual_seed(1)
        self.model = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1)
        )
        self.killed_in_epoch = killed_in_epoch

    def training_step(self, batch, index):
        if self.current_epoch == self.killed_in_epoch and index == 1:
            raise Killed
        loss = (self.model(batch[0]) - batch[1]).square().mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", (self.model(batch[0]) - batch[1]).square().mean())

    def on_validation_epoch_end(self):
        self.log("val_score", SCORES[self.current_epoch])

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.02)


class Requested(TensorDataset):
    """Rows asked for as (epoch, index)."""

    def __getitem__(self, request):
        return super().__getitem__(request[1])


class SmallData(TrainingData):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        rows = torch.randn(12, 3, generator=generator)
        self.rows = (rows, rows.sum(dim=1, keepdim=True))

    def train_dataloader(self):
        sampler = EpochSampler([1.0] * 12, seed=5, epoch=self.first_epoch)
        return DataLoader(Requested(*self.rows), batch_size=4, sampler=sampler)

    def val_dataloader(self):
        return DataLoader(TensorDataset(*self.rows), batch_size=12)


def export(module, path, metric):
    save_file({k: v.clone() for k, v in module.model.state_dict().items()}, path)
    path.with_suffix(".json").write_text(json.dumps({"metric": metric, "epoch": module.current_epoch + 1}))


def run(out, *, killed_in_epoch=None, resume=False, **settings):
    return fit(
        Small(killed_in_epoch),
        SmallData(),
        epochs=4,
        out=out,
        monitor="val_score",
        export=export,
        device="cpu",
        precision="32-true",
        resume=resume,
        progress_bar=False,
        **({"ema_decay": 0.9} | settings),
    )


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken")
    run(out)
    return out


def history(out):
    lines = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def checkpoint(out):
    """Weights, moving average and optimizer of a run's last checkpoint, as name and tensor."""
    saved = torch.load(out / "last.ckpt", weights_only=True)
    moments = saved["optimizer_states"][0]["state"]
    flat = {f"optimizer.{i}.{name}": value for i, state in moments.items() for name, value in state.items()}
    averages = {name.replace("model.", "average.", 1): value for name, value in saved["state_dict"].items()}
    return saved["current_model_state"] | averages | flat


def test_a_history_has_a_line_an_epoch_with_losses_and_metrics(unbroken):
    lines = history(unbroken)
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert [line["val_score"] for line in lines] == list(SCORES)
    assert all(line["train_loss"] > 0 and line["val_loss"] > 0 for line in lines)


def test_the_best_weights_are_those_of_the_epoch_that_scored_best(unbroken):
    assert json.loads((unbroken / "best.json").read_text()) == {"metric": pytest.approx(0.9), "epoch": 2}


def test_the_final_weights_are_the_last_epochs_average(unbroken):
    assert json.loads((unbroken / "final.json").read_text()) == {"metric": pytest.approx(0.6), "epoch": 4}
    final, saved = load_file(unbroken / "final.safetensors"), checkpoint(unbroken)
    assert all(torch.equal(value, saved[f"average.{name}"]) for name, value in final.items())
    assert not torch.equal(final["0.weight"], saved["model.0.weight"])


@pytest.mark.parametrize("killed_in_epoch", [1, 2])
def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(unbroken, tmp_path, killed_in_epoch):
    with pytest.raises(Killed):
        run(tmp_path, killed_in_epoch=killed_in_epoch)
    assert finished_epochs(tmp_path / "last.ckpt") == killed_in_epoch
    run(tmp_path, resume=True)
    assert history(tmp_path) == history(unbroken)
    expected, got = checkpoint(unbroken), checkpoint(tmp_path)
    assert expected.keys() == got.keys()
    assert all(torch.equal(value, got[name]) for name, value in expected.items())
    assert (tmp_path / "best.json").read_text() == (unbroken / "best.json").read_text()


def test_resuming_drops_the_lines_of_epochs_that_no_checkpoint_holds(unbroken, tmp_path):
    with pytest.raises(Killed):
        run(tmp_path, killed_in_epoch=2)
    with (tmp_path / "history.jsonl").open("a") as handle:
        handle.write('{"epoch": 3, "train_loss": 99.0}\n{"epoch": 4, "tra')
    run(tmp_path, resume=True)
    assert history(tmp_path) == history(unbroken)


def test_resuming_without_a_checkpoint_starts_anew(unbroken, tmp_path):
    run(tmp_path, resume=True)
    assert history(tmp_path) == history(unbroken)


def test_another_run_in_the_same_folder_begins_its_own_history(tmp_path):
    (tmp_path / "history.jsonl").write_text('{"epoch": 1, "train_loss": 99.0}\n')
    run(tmp_path, ema_decay=0.0)
    assert [line["epoch"] for line in history(tmp_path)] == [1, 2, 3, 4]
    assert history(tmp_path)[0]["train_loss"] < 99


def test_epochs_without_validation_repeat_no_old_figures(tmp_path):
    run(tmp_path, validate_every=2)
    assert ["val_score" in line for line in history(tmp_path)] == [False, True, False, True]
    assert json.loads((tmp_path / "best.json").read_text())["epoch"] == 2


@pytest.mark.parametrize(("validate_every", "validated"), [(3, [3, 4]), (9, [4])])
def test_the_last_epoch_is_validated_and_kept_whatever_the_rhythm(tmp_path, validate_every, validated):
    run(tmp_path, validate_every=validate_every)
    assert [line["epoch"] for line in history(tmp_path) if "val_score" in line] == validated
    assert json.loads((tmp_path / "final.json").read_text())["epoch"] == 4


def test_another_seed_gives_other_dropout(unbroken, tmp_path):
    run(tmp_path, seed=1)
    assert history(tmp_path) != history(unbroken)


def test_a_history_is_kept_up_to_an_epoch(tmp_path):
    path = tmp_path / "history.jsonl"
    truncate_history(path, 3)
    assert not path.exists()
    path.write_text('{"epoch": 1}\n{"epoch": 2}\nnonsense\n[]\n{"epoch": 3}\n')
    truncate_history(path, 2)
    assert path.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    factor = cosine_with_warmup(4, 104, floor=0.02)
    assert [factor(step) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert factor(54) == pytest.approx(0.02 + 0.98 * 0.5)
    assert factor(104) == factor(1000) == pytest.approx(0.02)
    assert cosine_with_warmup(0, 0)(0) == 1.0
    steps = [factor(step) for step in range(4, 105)]
    assert steps == sorted(steps, reverse=True)


def test_only_weights_of_layers_decay_and_slow_parts_learn_more_slowly():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[2].bias.requires_grad_(False)
    groups = parameter_groups(model, 0.1, 0.5, model[0], 0.2)
    found = {
        id(p): (round(group["lr"], 6), group["weight_decay"]) for group in groups for p in group["params"]
    }
    assert found == {
        id(model[0].weight): (0.02, 0.5),
        id(model[0].bias): (0.02, 0.0),
        id(model[1].weight): (0.1, 0.0),
        id(model[1].bias): (0.1, 0.0),
        id(model[2].weight): (0.1, 0.5),
    }


def test_an_unknown_device_is_refused_with_the_known_ones():
    for device in ("tpu", "cuda:x"):
        with pytest.raises(RecipeError, match=f"auto, cpu, cuda or cuda:N, got '{device}'"):
            pick_device(device)
    assert pick_device("cpu")[0] == "cpu"


def test_one_numbered_gpu_is_not_several(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    with pytest.raises(RecipeError, match="one device with cuda:1, got 2"):
        pick_device("cuda:1", 2)
    with pytest.raises(RecipeError, match="at most 2 GPUs, got 3"):
        pick_device("cuda", 3)
    assert pick_device("cuda", 2) == ("gpu", "bf16-mixed")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(RecipeError, match="offers none"):
        pick_device("cuda")
    assert pick_device("auto")[0] == "cpu"


@pytest.mark.parametrize(("side", "threads"), [("1", 1), ("0", None)])
def test_batches_of_both_kinds_mark_the_process_as_computing(monkeypatch, side, threads):
    """Also in validation, which takes minutes; only a worker's takes the threads that it may use then."""
    monkeypatch.setenv("LAPEL_BACKGROUND", side)
    marked, chosen = [], []
    monkeypatch.setattr(trainer, "compute_threads", lambda: marked.append(side) or 1)
    monkeypatch.setattr(trainer, "share_the_cores", lambda most: chosen.append(trainer.compute_threads()))
    callback, module = ShareTheCores(), Small()
    callback.on_train_batch_start(None, module)
    callback.on_validation_batch_start(None, module)
    assert len(marked) == 2 and chosen == ([threads] * 2 if threads else [])
