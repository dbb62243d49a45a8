"""Trains the classifier on one GPU in minutes: teachers first, then MobileNet with attention from them.

EfficientNet-Lite2 is fine-tuned once or twice from ImageNet; then MobileNetMHA learns from the teachers'
answers to the very views that it sees itself, mixed ones too, and a little from the labels ("patient and
consistent" distillation, Beyer et al. 2022). Learning rates follow the clock, so that any budget ends
annealed. ``python -m tools.gpu_classifier --pack DIR --out DIR --seconds N`` runs it alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.models.cards import ModelCard, write_card
from core.models.mobilenet import INPUT_SIZE, MobileNetMHA, calibrate_batch_norm, load_imagenet
from core.models.weights import check_state, save_weights
from tools.classifier_recipe import LABELS, GpuClassifierRecipe
from tools.efficientnet_lite import load_lite
from tools.eight_bit_weights import read_carried, restored_file
from tools.gpu_crops import mixed, plain_views, random_views
from tools.gpu_distillation import (
    Pictures,
    Teacher,
    distillation_loss,
    measure,
    pictures_of,
    resized,
    smoothed_loss,
    soft_labels,
)
from tools.gpu_trainer import (
    SPEED_STEPS,
    WARM_STEPS,
    Clock,
    GpuEMA,
    Schedule,
    fastest_layout,
    fit,
    in_bfloat16,
    say,
    training_facts,
)

LITE_FILES = ("weights/efficientnet-lite2.safetensors", "efficientnet-lite2.safetensors")
MOBILENET_FILES = ("weights/mobilenet.safetensors", "mobilenet.safetensors")
CLASSIFIER_FILES = ("weights/classifier.safetensors", "classifier.safetensors")
"""Where a pack keeps its weights; a whole classifier, where there is one, is the student's beginning."""

CPU_PHOTOS = 40  # of each set and split: enough to try the way
LEAST_SECOND_TRY = 75.0  # seconds
LEAST_SHARE = 0.1  # of the teachers' time, for one more of them


def first_file(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of the named files that a pack has."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


class ClassifierRun:
    """One run: its pictures, its clock and what it has found so far.

    ``reserve``: seconds after the deadline in which it may still measure.
    """

    def __init__(
        self,
        pack: Path,
        out: Path,
        *,
        deadline: float,
        device: torch.device,
        recipe: GpuClassifierRecipe,
        reserve: float = 0.0,
        most_steps: int = 0,
    ) -> None:
        self.pack, self.out, self.deadline, self.device = pack, out, deadline, device
        self.recipe, self.reserve, self.most_steps = recipe, reserve, most_steps
        self.started = time.monotonic()
        self.curve: list[dict[str, Any]] = []
        self.stages: list[dict[str, Any]] = []
        self.measuring = 0.0  # seconds that the last measure took

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def train_teachers(self, pictures: Pictures, seconds: float) -> list[Teacher]:
        """As many teachers as the time allows, one after another; those that fail are left out."""
        path = first_file(self.pack, LITE_FILES)
        if path is None:
            say("no teacher's weights in the pack: the student learns from labels alone")
            return []
        teachers: list[Teacher] = []
        labeled = pictures.labeled_only()
        clock = Clock(seconds)
        sides = list(self.recipe.teacher_sides)
        while sides and clock.left > LEAST_SHARE * seconds:
            side = sides.pop(0)
            try:
                teacher, speed = self._teacher(labeled, path, side, clock.left, len(sides), len(teachers))
            except Exception:
                say(f"teacher at {side} px failed:\n{traceback.format_exc()}")
                continue
            teachers.append(teacher)
            if speed * clock.left < 0.8 * self.recipe.teacher_passes * labeled.passes:
                sides = []
        return teachers

    def _teacher(
        self, pictures: Pictures, path: Path, side: int, seconds: float, others: int, number: int
    ) -> tuple[Teacher, float]:
        """One teacher and its pictures a second; it takes all the time if sharing would leave too little."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed + 100 * number + 1)
        options = {"dropout": recipe.teacher_dropout, "drop_path": recipe.teacher_drop_path}
        model = load_lite(path, "lite2", len(LABELS), **options).to(self.device)
        layout = fastest_layout(model)

        def loss_of(count: int) -> Tensor:
            squares, base, targets = pictures.draw(count)
            views = random_views(squares, base, side, recipe.teacher_views)
            views, other, share = mixed(views, recipe.mix_chance, recipe.mix_alpha)
            logits = in_bfloat16(model, views.contiguous(memory_format=layout))
            return smoothed_loss(logits, targets, other, share, recipe.teacher_smoothing).mean()

        def shared(speed: float) -> float:
            enough = speed * seconds / (others + 1) >= recipe.teacher_passes * pictures.passes
            return seconds / (others + 1) if enough else seconds

        head = [model.classifier]
        average = self._fit(f"teacher {side}", model, head, recipe.teacher, seconds, loss_of, side, shared)
        return Teacher(average, side, layout), self.stages[-1]["images_per_second"]

    def train_student(self, pictures: Pictures, teachers: Sequence[Teacher], seconds: float) -> nn.Module:
        """MobileNetMHA out of the teachers; its weights are written on the way and at the end."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed)
        model = self.new_student(pictures)
        layout = fastest_layout(model)
        side = max([INPUT_SIZE, *(teacher.side for teacher in teachers)])
        soft_weight = recipe.soft_weight if teachers else 0.0
        source = pictures if teachers else pictures.labeled_only()

        def loss_of(count: int) -> Tensor:
            squares, base, targets = source.draw(count)
            views = random_views(squares, base, side, recipe.student_views)
            views, other, share = mixed(views, recipe.mix_chance, recipe.mix_alpha)
            own = resized(views, INPUT_SIZE).contiguous(memory_format=layout)
            logits = in_bfloat16(model, own)
            hard = smoothed_loss(logits, targets, other, share, recipe.label_smoothing)
            if not teachers:
                return hard.mean()
            soft = distillation_loss(
                logits, soft_labels(teachers, views, recipe.temperature), recipe.temperature
            )
            return (soft_weight * soft + (1 - soft_weight) * hard).mean()

        head = [model.attention, model.norm, model.hidden, model.classifier]
        return self._fit("student", model, head, recipe.student, seconds, loss_of, INPUT_SIZE)

    def new_student(self, pictures: Pictures) -> MobileNetMHA:
        """The student at its beginning: the pack's classifier, or ImageNet's MobileNet, or by chance."""
        model = MobileNetMHA(len(LABELS), dropout=self.recipe.dropout)
        whole, imagenet = first_file(self.pack, CLASSIFIER_FILES), first_file(self.pack, MOBILENET_FILES)
        if whole is not None:
            check_state(read_carried(whole), model, whole.name)
        elif imagenet is not None:
            with tempfile.TemporaryDirectory() as folder:
                load_imagenet(model.backbone, restored_file(imagenet, Path(folder)))
        else:
            say("no MobileNet in the pack: the student begins by chance")
        model.to(self.device)
        if whole is None and imagenet is not None:
            squares, base, _ = pictures.draw(256 if self.device.type == "cuda" else 32)
            calibrate_batch_norm(model.backbone, plain_views(squares, base, INPUT_SIZE))
        return model

    def _fit(
        self,
        name: str,
        model: nn.Module,
        head: Sequence[nn.Module],
        schedule: Schedule,
        seconds: float,
        loss_of: Callable[[int], Tensor],
        side: int,
        shared: Callable[[float], float] | None = None,
    ) -> nn.Module:
        """Train by the clock with the curve and, for the student, the files kept up to date."""
        ema = GpuEMA(model, schedule.ema_decay)
        is_student = name == "student"

        def watch(state: dict[str, Any]) -> None:
            if is_student:
                self.write(ema.model)
            if state.pop("saving") or self.left + self.reserve < 2 * self.measuring:
                return
            began = time.monotonic()
            figures = measure(ema.model, self.pictures, side)
            self.measuring = time.monotonic() - began
            entry = {"stage": name, "seconds": round(began - self.started, 1), **state, **figures}
            self.curve.append(entry)
            say(json.dumps(entry))

        done = fit(
            model,
            ema,
            head=head,
            schedule=schedule,
            clock=Clock(min(seconds, self.left)),
            loss_of=loss_of,
            watch=watch,
            validate_seconds=self.recipe.validate_seconds,
            save_seconds=self.recipe.save_seconds if is_student else 0.0,
            most_steps=self.most_steps,
            shared=shared,
        )
        self.stages.append({"stage": name, **done})
        watch({"loss": done["loss"], "images": done["images"], "saving": False})
        if is_student:
            self.write(ema.model)
        return ema.model

    def write(self, model: nn.Module) -> None:
        """The student's weights in half precision with their card: whole files or none."""
        self.out.mkdir(parents=True, exist_ok=True)
        fresh = self.out / "fresh.safetensors"
        save_weights(model, fresh)
        last = self.curve[-1] if self.curve and self.curve[-1]["stage"] == "student" else {}
        card = ModelCard(
            kind="classifier",
            model="mobilenet-mha",
            preset=self.recipe.name,
            categories=LABELS,
            input_size=INPUT_SIZE,
            name=f"mobilenet-mha {self.recipe.name}",
            training=self.facts(),
            metrics={
                f"validation_{key.removeprefix('val_')}": value
                for key, value in last.items()
                if key.startswith("val_")
            },
        )
        write_card(card, fresh)
        for ending in (".safetensors", ".json"):
            fresh.with_suffix(ending).replace(self.out / f"classifier{ending}")

    def facts(self) -> dict[str, Any]:
        """What the card tells of the training."""
        images = sum(stage["images"] for stage in self.stages)
        done = {
            "images_seen": images,
            "photos": len(self.pictures.train),
            "stages": self.stages,
            "curve": self.curve,
        }
        return training_facts(self.recipe, self.started, self.device) | done

    def run(self, pictures: Pictures) -> nn.Module:
        """Both stages. An exception in the first leaves the student all of the time."""
        self.pictures = pictures
        teachers = self.train_teachers(pictures, self.recipe.teacher_share * self.left)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return self.train_student(pictures, teachers, self.left)


def load_pictures(folder: Path, device: torch.device, recipe: GpuClassifierRecipe) -> Pictures:
    """The pack's pictures on the device; on a CPU a few of each set, to try the way."""
    from tools.gpu_photos import load_pack

    on_cpu = device.type == "cpu"
    pack = load_pack(folder, device, CPU_PHOTOS if on_cpu else None)
    return pictures_of(
        pack.photos,
        pack.images,
        pack.categories,
        LABELS,
        device=device,
        cache_side=recipe.cache_side,
        sources=dict(recipe.sources),
        rebalance=recipe.rebalance,
        most_val=CPU_PHOTOS if on_cpu else None,
    )


def train_classifier(
    pack: Path,
    out: Path,
    *,
    deadline: float,
    device: str = "auto",
    recipe: GpuClassifierRecipe | None = None,
    smoke: bool = False,
    teachers: bool = True,
) -> dict[str, Any]:
    """Train until ``deadline`` (of ``time.monotonic``): ``classifier.safetensors`` and ``.json`` in ``out``.

    ``smoke`` takes a few steps of each stage at their true sizes. Returns what the card tells of it.
    """
    began = time.monotonic()
    recipe = recipe or GpuClassifierRecipe()
    if not teachers:
        recipe = replace(recipe, teacher_sides=())
    if smoke:
        recipe = replace(recipe, teacher_passes=0.0)  # all teachers, however little time there is
    chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if chosen.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(recipe.seed)
    reserve = min(max(0.03 * (deadline - began), 2.0), 10.0)
    run = ClassifierRun(
        pack,
        out,
        deadline=deadline - reserve,
        device=chosen,
        recipe=recipe,
        reserve=0.5 * reserve,  # the other half is for writing
        most_steps=WARM_STEPS + SPEED_STEPS if smoke else 0,
    )
    pictures = load_pictures(pack, chosen, recipe)
    counts = {source: len(cache) for source, cache in pictures.val.items()}
    say(
        f"{len(pictures.train)} pictures to train on, {pictures.passes:.0f} a pass, {counts} to measure on, "
        f"after {time.monotonic() - began:.1f} s, {run.left:.0f} s left"
    )
    run.run(pictures)
    return run.facts()


def main() -> None:
    """The command line. After a failure it begins anew, without teachers, if a minute and more is left."""
    parser = argparse.ArgumentParser(description="Train the classifier on one GPU, by the clock.")
    parser.add_argument("--pack", type=Path, required=True, help="folder that tools.pack_photos wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seconds", type=float, help="time from now on")
    parser.add_argument("--deadline", type=float, help="instead: the end, as time.monotonic() tells it")
    parser.add_argument("--device", default="auto", help="cuda, cpu or auto")
    parser.add_argument("--smoke", action="store_true", help="a few steps of each stage, with figures")
    parser.add_argument("--no-teachers", action="store_true", help="labels alone")
    given = parser.parse_args()
    if given.seconds is None and given.deadline is None:
        parser.error("--seconds or --deadline is needed")
    deadline = given.deadline or time.monotonic() + given.seconds
    try:
        facts = train_classifier(
            given.pack,
            given.out,
            deadline=deadline,
            device=given.device,
            smoke=given.smoke,
            teachers=not given.no_teachers,
        )
    except Exception:
        left = deadline - time.monotonic()
        say(f"the run failed with {left:.0f} s left:\n{traceback.format_exc()}")
        if given.smoke or given.no_teachers or left < LEAST_SECOND_TRY:
            raise
        again = [*sys.argv[1:], "--no-teachers", "--deadline", str(deadline)]
        os.execv(sys.executable, [sys.executable, "-m", "tools.gpu_classifier", *again])
    say(json.dumps({key: facts[key] for key in ("seconds", "images_seen", "stages")}))


if __name__ == "__main__":
    main()
