"""Trains the detector on one GPU in minutes: distilled backbone, mosaics, then plain photos.

Three stages by the clock: an ImageNet network's features are distilled into the backbone on all photos; the
detector learns from street, chictopia and catalog photos with mosaic; the last quarter has plain photos and
ends annealed. Chictopia and catalog photos are partly labeled, and the loss leaves out what they do not say.
``python -m tools.gpu_detector --pack DIR --out DIR --seconds N`` runs it alone.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.models.cards import ModelCard, write_card
from core.models.weights import save_weights
from core.models.yolov4 import PRESETS
from core.training.yolo_loss import YoloLoss
from tools.detector_recipe import GpuDetectorRecipe, fitted_anchors, load_start, new_detector
from tools.gpu_compiling import quickest
from tools.gpu_evaluation import SCORE_THRESHOLD, Validation
from tools.gpu_photos import PackedDataset, load_pack
from tools.gpu_sampler import BatchSampler
from tools.gpu_teaching import Distiller, load_teacher, standardized
from tools.gpu_trainer import (
    SPEED_STEPS,
    WARM_STEPS,
    Clock,
    GpuEMA,
    Schedule,
    fastest_layout,
    fit,
    say,
    training_facts,
)

CPU_PHOTOS = 24  # of each set and split: enough to try the way
CPU_CANVASES = ((64, 96), (96, 128))
CPU_BATCH = 2


class DetectorRun:
    """One run: its photos, its clock and what it has found so far."""

    def __init__(
        self,
        pack: Path,
        out: Path,
        *,
        deadline: float,
        reserve: float,
        device: torch.device,
        recipe: GpuDetectorRecipe,
        limit: int | None = None,
        most_steps: int = 0,
        speedup: str = "auto",
    ) -> None:
        self.out, self.deadline, self.device, self.recipe = out, deadline, device, recipe
        self.most_steps, self.speedup, self.folder, self.reserve = most_steps, speedup, pack, reserve
        self.started = time.monotonic()
        self.curve: list[dict[str, Any]] = []
        self.stages: list[dict[str, Any]] = []
        self.pack = load_pack(pack, device, limit)
        self.all_photos = self.pack.numbers(split="train") + self.pack.numbers(split="unboxed")
        photos = self.pack.photos
        boxed = [i for i in self.all_photos if photos[i]["boxes"] and photos[i].get("box") != "none"]
        self.boxed = [i for i in boxed if not photos[i].get("tuning")]
        torch.manual_seed(recipe.seed)
        started_from = load_start(pack, recipe.preset, self.pack.categories)
        if started_from is None:
            self.anchors = fitted_anchors(self.pack, self.boxed, recipe.input_wh, recipe.seed)
            self.model = new_detector(recipe.preset, len(self.pack.categories), self.anchors)
        else:
            self.model = started_from
            self.anchors = started_from.anchors_wh.view(9, 2).numpy()
        self.is_fresh = started_from is None
        self.model.to(device)
        self.validation = Validation(self.pack, recipe.input_wh)
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        say(
            f"{len(self.boxed)} boxed photos of {len(self.all_photos)}, "
            f"{sum(p.numel() for p in self.model.parameters()) / 1e6:.2f} M parameters, "
            f"after {time.monotonic() - self.started:.1f} s, {self.left:.0f} s left"
        )

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    @property
    def to_train(self) -> Callable[[Tensor], Any]:
        """The autocast that steps run in: bfloat16 on a GPU."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda")  # type: ignore[return-value]

    def distill(self, seconds: float) -> None:
        """Stage 1: the backbone learns a teacher's features on all photos, boxed or not."""
        recipe = self.recipe
        end = time.monotonic() + seconds
        teacher: Any = load_teacher(self.folder)
        if teacher is None or seconds <= 0:
            say("no teacher in the pack: the backbone begins by chance")
            return
        teacher = teacher.to(self.device).eval().requires_grad_(False)
        with torch.no_grad():
            sample = torch.zeros(1, 3, 64, 64, device=self.device)
            channels = [part.shape[1] for part in teacher.pyramid(sample)]
        distiller = Distiller(self.model.backbone, channels).to(self.device)
        layout = fastest_layout(distiller)
        teacher.to(memory_format=layout)
        dataset = PackedDataset.of(self.pack, self.all_photos, recipe.seed)
        canvas_wh = recipe.distilled_wh if self.device.type == "cuda" else CPU_CANVASES[0]
        ema = GpuEMA(distiller, recipe.distillation.ema_decay)

        def loss_of(batch: int) -> Tensor:
            with torch.no_grad():
                photos = torch.randint(
                    len(self.all_photos), (batch, 1), device=self.device, generator=self.generator
                )
                pictures, _, _ = dataset.draw(photos, canvas_wh, recipe.distillation_augmentation)
                pictures = pictures.contiguous(memory_format=layout)
                with self.to_train:  # type: ignore[attr-defined]
                    features = teacher.pyramid(pictures * 2 - 1)
                wanted = [standardized(part) for part in features]
            with self.to_train:  # type: ignore[attr-defined]
                found = distiller(pictures)
            losses = [(a.float() - b).square().mean() for a, b in zip(found, wanted, strict=True)]
            return torch.stack(losses).mean()

        self._fit(
            "distillation",
            distiller,
            ema,
            recipe.distillation,
            Clock(end - time.monotonic()),
            loss_of,
            None,
        )
        ema.give_back(distiller)

    def train(self) -> None:
        """Stages 2 and 3 under one cosine: mosaics on several canvases, then plain photos on the input's."""
        recipe, model = self.recipe, self.model
        on_gpu = self.device.type == "cuda"
        dataset = PackedDataset.of(self.pack, self.boxed, recipe.seed)
        sampler = BatchSampler(self.pack, self.boxed, recipe.rebalance)
        shares, clean_shares = sampler.shares(recipe.shares), sampler.shares(recipe.clean_shares)
        criterion = YoloLoss(
            recipe.box_weight, recipe.class_weight, recipe.objectness_weight, "iou", recipe.label_smoothing
        )
        layout = fastest_layout(model)
        input_wh = recipe.input_wh if on_gpu else CPU_CANVASES[1]
        others = recipe.canvases if on_gpu else CPU_CANVASES[:1]
        speedup = self.speedup if on_gpu else "off"
        compile_first = speedup not in ("off", "measure")
        quick = quickest(model, recipe.fitting.batch, input_wh, layout, speedup) if compile_first else model
        clock = Clock(self.left)  # what came before is not the schedule's
        chooser = random.Random(recipe.seed)
        parts: dict[str, Tensor] = {}
        drawn: list[int] = []

        def loss_of(batch: int) -> Tensor:
            done = len(drawn) / self.most_steps if self.most_steps else clock.progress
            drawn.append(batch)
            clean = done >= 1 - recipe.clean_share
            canvas_wh = input_wh
            if not clean and chooser.random() < recipe.other_canvases:
                canvas_wh = chooser.choice(others)
            settings = recipe.plain_augmentation if clean else recipe.augmentation
            with torch.no_grad():
                photos = sampler.draw(
                    clean_shares if clean else shares, batch, 1 if clean else 4, self.generator
                )
                pictures, targets, used = dataset.draw(photos, canvas_wh, settings)
                labeled = sampler.labeled(photos, used)
            forward = quick if canvas_wh == input_wh else model
            with self.to_train:  # type: ignore[attr-defined]
                raw = forward(pictures.contiguous(memory_format=layout))
            losses = criterion(raw, model.anchors_wh, targets, labeled)
            parts.update({name: value.detach() for name, value in losses.items()})
            return losses["loss"]

        ema = GpuEMA(model, recipe.fitting.ema_decay)

        def watch(state: dict[str, Any]) -> None:
            self.save(ema.model)
            for entry in self.validation.collect():
                say(json.dumps(entry))
            if not state["saving"]:
                entry = {
                    "stage": "mosaic" if clock.progress < 1 - recipe.clean_share else "clean",
                    "seconds": round(time.monotonic() - self.started, 1),
                    **{k: v for k, v in state.items() if k != "saving"},
                    **{name: round(float(value), 4) for name, value in parts.items() if name != "loss"},
                }
                self.curve.append(entry)
                self.validation.start(ema.model, ema.model.anchors_wh, entry)  # type: ignore[arg-type]

        self.save(ema.model)  # something to bring home, whatever comes
        try:
            self._fit("detector", model, ema, recipe.fitting, clock, loss_of, watch)
        except BaseException:
            self.save(ema.model)
            raise
        final = {"loss": self.stages[-1]["loss"], "images": self.stages[-1]["images"], "saving": False}
        self.ema_network = ema.model
        if self.device.type == "cuda" or self.left > 0 or self.most_steps:
            watch(final)
        wait_seconds = 30.0 if self.most_steps else min(max(self.left + self.reserve / 2, 1), 30)
        for entry in self.validation.collect(wait_seconds):
            say(json.dumps(entry))
        self.save(ema.model)
        if speedup == "measure":
            quickest(model, recipe.fitting.batch, input_wh, layout, speedup, int(self.left))

    def _fit(
        self,
        name: str,
        model: nn.Module,
        ema: GpuEMA,
        schedule: Schedule,
        clock: Clock,
        loss_of: Callable[[int], Tensor],
        watch: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        if self.device.type == "cpu":
            schedule = replace(schedule, batch=min(schedule.batch, CPU_BATCH))
        done = fit(
            model,
            ema,
            head=(),
            schedule=schedule,
            clock=clock,
            loss_of=loss_of,
            watch=watch or (lambda state: say(f"{name}: {json.dumps(state)}")),
            validate_seconds=self.recipe.validate_seconds,
            save_seconds=self.recipe.save_seconds,
            most_steps=self.most_steps,
        )
        self.stages.append({"stage": name, **done})
        say(json.dumps(self.stages[-1]))

    def save(self, model: nn.Module) -> None:
        """The EMA network's weights in half precision with their card: whole files or none."""
        finite = torch.stack([value.isfinite().all() for value in model.state_dict().values()]).all()
        if not bool(finite):
            say("weights that are not finite are not saved")
            return
        self.out.mkdir(parents=True, exist_ok=True)
        fresh = self.out / "fresh.safetensors"
        save_weights(model, fresh)
        recipe = self.recipe
        metrics = {
            f"validation_{key}": value
            for entry in reversed(self.curve)
            if "street_map50" in entry
            for key, value in entry.items()
            if key.endswith(("_map50", "_map"))
        }
        card = ModelCard(
            kind="detector",
            model="yolov4-gs",
            preset=recipe.preset,
            categories=self.pack.categories,
            input_size=max(recipe.input_wh),
            score_threshold=SCORE_THRESHOLD,
            anchors_wh=tuple((float(w), float(h)) for w, h in self.anchors),
            name=f"yolov4-gs {recipe.preset} {recipe.name}",
            training=self.facts(),
            metrics=metrics,
        )
        write_card(card, fresh)
        for ending in (".safetensors", ".json"):
            fresh.with_suffix(ending).replace(self.out / f"detector-{recipe.preset}{ending}")

    def facts(self) -> dict[str, Any]:
        """What the card tells of the training."""
        images = sum(stage["images"] for stage in self.stages)
        done = {"images_seen": images, "photos": len(self.boxed), "stages": self.stages, "curve": self.curve}
        began = {"began": "from nothing" if self.is_fresh else "with the weights in the pack"}
        return training_facts(self.recipe, self.started, self.device) | began | done

    def run(self) -> None:
        """All stages; a failure of the first costs no more than its time."""
        try:
            if self.is_fresh:
                self.distill(self.recipe.distilled_share * self.left)
        except Exception:
            say(f"the distillation failed:\n{traceback.format_exc()}")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            self.train()
        finally:
            self.validation.close()


def train_detector(
    pack: Path,
    out: Path,
    *,
    seconds: float,
    device: str = "auto",
    recipe: GpuDetectorRecipe | None = None,
    smoke: bool = False,
    speedup: str = "auto",
    limit: int | None = None,
) -> DetectorRun:
    """Train within ``seconds`` from now; weights and card lie in ``out`` afterwards.

    ``smoke`` takes a few steps of each stage at their true sizes.
    """
    began = time.monotonic()
    recipe = recipe or GpuDetectorRecipe()
    chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if chosen.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    reserve = min(max(0.03 * seconds, 2.0), 7.0)
    run = DetectorRun(
        pack,
        out,
        deadline=began + seconds - reserve,
        reserve=reserve,
        device=chosen,
        recipe=recipe,
        limit=limit or (None if chosen.type == "cuda" else CPU_PHOTOS),
        most_steps=WARM_STEPS + SPEED_STEPS if smoke else 0,
        speedup="measure" if smoke else speedup,
    )
    run.run()
    return run


def main() -> None:
    """The command line. After a failure it begins anew, uncompiled, if a minute and more is left."""
    parser = argparse.ArgumentParser(description="Train the detector on one GPU, by the clock.")
    parser.add_argument("--pack", type=Path, required=True, help="folder that tools.pack_photos wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seconds", type=float, required=True, help="time from the start of this command")
    parser.add_argument("--device", default="auto", help="cuda, cpu or auto")
    parser.add_argument("--smoke", action="store_true", help="a few steps of each stage, with figures")
    parser.add_argument("--preset", choices=sorted(PRESETS), default=GpuDetectorRecipe.preset)
    parser.add_argument("--speedup", choices=("auto", "on", "off"), default="auto", help="torch.compile")
    given = parser.parse_args()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped from outside"))
    recipe = replace(GpuDetectorRecipe(), preset=given.preset)
    for attempt in range(3):
        left = given.seconds - (time.monotonic() - began)
        try:
            train_detector(
                given.pack,
                given.out,
                seconds=left,
                device=given.device,
                recipe=recipe,
                smoke=given.smoke,
                speedup=given.speedup if attempt == 0 else "off",
            )
            return
        except Exception:
            left = given.seconds - (time.monotonic() - began)
            say(f"the run failed with {left:.0f} s left:\n{traceback.format_exc()}")
            if given.smoke or left < 60 or attempt == 2:
                raise
            fitting = replace(recipe.fitting, batch=recipe.fitting.batch // 2)
            recipe = replace(recipe, fitting=fitting)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
