"""Trains the detector on one GPU in minutes: distilled backbone, mosaics, then clean scenes.

Three stages by the clock: an ImageNet network's features are distilled into the backbone on all photos; the
detector learns from street, chictopia and catalog scenes with mosaic; the last quarter has plain scenes and
ends annealed. Chictopia and catalog photos are partly labelled, and the loss leaves out what they do not say.
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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.anchors import kmeans_anchors
from core.data.sampling import repeat_factors
from core.models.cards import ModelCard, write_card
from core.models.mobilenet import MobileNetFeatures
from core.models.weights import load_imagenet, save_weights
from core.models.yolov4 import PRESETS, YOLOv4, Backbone
from core.training.yolo_loss import DOUBT, Labelling, PaddedTargets, YoloLoss
from tools.gpu_compiling import quickest
from tools.gpu_evaluation import SCORE_THRESHOLD, Validation
from tools.gpu_fitting import (
    SPEED_STEPS,
    WARM_STEPS,
    Average,
    Clock,
    Schedule,
    commit_of,
    fastest_layout,
    fit,
    say,
)
from tools.gpu_photos import Augmentation, Pack, Scenes, load_pack

CPU_PHOTOS = 24  # of each set and split: enough to try the way
CPU_CANVASES = ((64, 96), (96, 128))
CPU_BATCH = 2
OBJECTNESS_PRIOR, CLASS_PRIOR = 0.01, 0.05
NEVER_BOXED = {"chictopia": ("belt", "scarf_tie", "boots")}
"""Chictopia's boots are boxed as footwear, so that a footwear box there may be a boot."""

CATALOG_DOUBT = 0.5
"""A catalog photo's one label says nothing of what is worn beside it."""


@dataclass(frozen=True)
class GpuDetectorRecipe:
    """All settings; shares and chances in 0..1, stages as shares of the time left after loading."""

    name: str = "gpu-mosaic"
    preset: str = "small"
    seed: int = 0
    input_wh: tuple[int, int] = (288, 416)
    canvases: tuple[tuple[int, int], ...] = ((224, 320), (256, 384), (320, 448), (352, 512))
    other_canvases: float = 0.5  # the share of batches of another size than the input, while mosaics last
    distilled_share: float = 0.12
    distilled_wh: tuple[int, int] = (224, 320)
    distillation: Schedule = field(
        default_factory=lambda: Schedule(2e-3, backbone_rate=1.0, weight_decay=0.02, batch=96)
    )
    distilled_scenes: Augmentation = field(
        default_factory=lambda: Augmentation(mosaic=0.0, zoom=(0.8, 2.2), stretch=1.25, masking=0.0)
    )
    clean_share: float = 0.28  # of the detector's own time: 25 % of the whole
    shares: tuple[tuple[str, float], ...] = (("street", 0.4), ("chictopia", 0.4), ("catalog", 0.2))
    clean_shares: tuple[tuple[str, float], ...] = (("street", 0.55), ("chictopia", 0.25), ("catalog", 0.2))
    rebalance: float = 0.15  # LVIS's threshold
    fitting: Schedule = field(
        default_factory=lambda: Schedule(
            1.2e-3,
            backbone_rate=1.0,
            weight_decay=0.05,
            batch=64,
            warmup=0.03,
            last_rate=0.002,
            largest_gradient=10.0,
        )
    )
    scenes: Augmentation = field(default_factory=Augmentation)
    clean_scenes: Augmentation = field(
        default_factory=lambda: Augmentation(
            mosaic=0.0, zoom=(0.7, 1.25), stretch=1.1, rotation=0.25, degrees=4.0, colour=0.6, masking=0.0
        )
    )
    box_weight: float = 1.0
    class_weight: float = 0.5
    objectness_weight: float = 1.0
    label_smoothing: float = 0.0
    validate_seconds: float = 45.0
    save_seconds: float = 60.0


class Mixture:
    """Draws photos by their set's share of a batch, rare categories more often, and what they label."""

    def __init__(self, pack: Pack, numbers: Sequence[int], rebalance: float) -> None:
        device = pack.pixels.device
        photos = [pack.photos[number] for number in numbers]
        count = len(pack.categories)
        self.sets = sorted({photo["set"] for photo in photos})
        weights = torch.zeros(len(self.sets), len(photos))
        known = torch.ones(len(photos), count, dtype=torch.bool)
        complete = torch.ones(len(photos), count, dtype=torch.bool)
        doubt = torch.full((len(photos),), DOUBT)
        for row, name in enumerate(self.sets):
            members = [i for i, photo in enumerate(photos) if photo["set"] == name]
            factors = repeat_factors([photos[i]["category_ids"] for i in members], rebalance)
            weights[row, members] = torch.tensor(factors, dtype=torch.float32)
            unboxed = [pack.categories.index(c) for c in NEVER_BOXED.get(name, ()) if c in pack.categories]
            for category in unboxed:
                known[members, category] = complete[members, category] = False
            if name == "catalog":
                doubt[members] = CATALOG_DOUBT
                for i in members:
                    complete[i] = False
                    complete[i, photos[i]["category_ids"]] = True
        self.weights, self.known = weights.to(device), known.to(device)
        self.complete, self.doubt = complete.to(device), doubt.to(device)

    def shares(self, wanted: Sequence[tuple[str, float]]) -> Tensor:
        """The sets' shares as chances (S,) on the device; sets that are not there have none."""
        chances = torch.tensor([dict(wanted).get(name, 0.0) for name in self.sets])
        if chances.sum() <= 0:
            chances = torch.ones(len(self.sets))
        return (chances / chances.sum()).to(self.weights.device)

    def draw(self, shares: Tensor, batch: int, tiles: int, generator: torch.Generator) -> Tensor:
        """Photo positions (B, tiles); a row's photos are of one set, so that they label alike."""
        sets = torch.multinomial(shares, batch, replacement=True, generator=generator)
        return torch.multinomial(self.weights[sets], tiles, replacement=True, generator=generator)

    def labelling(self, photos: Tensor, used: Tensor) -> Labelling:
        """What is labelled in scenes of photos (B, T), of which ``used`` (B, T) are in the picture."""
        complete = (self.complete[photos] | ~used[..., None]).all(dim=1)
        return Labelling(self.known[photos[:, 0]], complete, self.doubt[photos[:, 0]])


def standardised(features: Tensor) -> Tensor:
    """Each channel to mean 0 and variance 1 over the batch and its places (B, C, H, W), in float32."""
    features = features.float()
    variance, mean = torch.var_mean(features, dim=(0, 2, 3), keepdim=True)
    return (features - mean) / (variance + 1e-3).sqrt()


class Distiller(nn.Module):
    """A backbone with 1x1 adapters to the channels of a teacher's features at strides 8, 16 and 32."""

    def __init__(self, backbone: Backbone, channels: Sequence[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.adapters = nn.ModuleList(
            nn.Conv2d(own, theirs, 1) for own, theirs in zip(backbone.out_channels, channels, strict=True)
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        features = self.backbone(pictures)
        return [adapter(own) for adapter, own in zip(self.adapters, features, strict=True)]


class Total(nn.Module):
    """The sum of all a network gives: what a training step's speed is measured with."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.stack([part.float().mean() for part in self.model(pictures)])


def load_teacher(pack: Path) -> Callable[[Tensor], Sequence[Tensor]] | nn.Module | None:
    """EfficientNet-Lite2, or MobileNet, with ImageNet's weights; None where the pack has neither."""
    lite, mobilenet = (pack / "weights" / f"{name}.safetensors" for name in ("efficientnet-lite2", "mobilenet"))
    if lite.is_file():
        try:
            from tools.efficientnet_lite import load_lite

            return load_lite(lite)
        except Exception:
            say(f"EfficientNet-Lite2 cannot teach:\n{traceback.format_exc()}")
    if mobilenet.is_file():
        teacher = MobileNetFeatures()
        load_imagenet(teacher, mobilenet)
        return teacher
    return None


def new_detector(preset: str, classes: int, anchors_wh: np.ndarray) -> YOLOv4:
    """A YOLOv4-GS whose heads begin with rare, unsure garments."""
    model = YOLOv4(preset, classes, ghost=True, anchors_wh=anchors_wh.tolist())
    with torch.no_grad():
        for head in model.heads:
            last = head[1]  # type: ignore[index]
            last.weight.normal_(0, 0.01)
            bias = last.bias.zero_().view(3, -1)
            bias[:, 4] = float(np.log(OBJECTNESS_PRIOR / (1 - OBJECTNESS_PRIOR)))
            bias[:, 5:] = float(np.log(CLASS_PRIOR / (1 - CLASS_PRIOR)))
    return model


def fitted_anchors(pack: Pack, numbers: Sequence[int], input_wh: tuple[int, int], seed: int) -> np.ndarray:
    """Nine anchors by K-means++ on the boxes of street and chictopia photos as letterboxed to the input."""
    sizes = []
    for number in numbers:
        photo = pack.photos[number]
        if photo["set"] in ("street", "chictopia") and photo["boxes"]:
            boxes = np.array(photo["boxes"], dtype=np.float64)
            factor = min(input_wh[0] / photo["width"], input_wh[1] / photo["height"])
            sizes.append((boxes[:, 2:] - boxes[:, :2]).clip(1.0) * factor)
    return kmeans_anchors(np.concatenate(sizes), 9, seed).anchors


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
        self.anchors = fitted_anchors(self.pack, self.boxed, recipe.input_wh, recipe.seed)
        torch.manual_seed(recipe.seed)
        self.model = new_detector(recipe.preset, len(self.pack.categories), self.anchors).to(device)
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

    def distil(self, seconds: float) -> None:
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
        layout = fastest_layout(Total(distiller), recipe.distillation.batch, recipe.distilled_wh[0])
        teacher.to(memory_format=layout)
        scenes = Scenes.of(self.pack, self.all_photos, recipe.seed)
        canvas_wh = recipe.distilled_wh if self.device.type == "cuda" else CPU_CANVASES[0]
        average = Average(distiller, recipe.distillation.average_decay)

        def loss_of(batch: int) -> Tensor:
            with torch.no_grad():
                photos = torch.randint(
                    len(self.all_photos), (batch, 1), device=self.device, generator=self.generator
                )
                pictures, _, _ = scenes.draw(photos, canvas_wh, recipe.distilled_scenes)
                pictures = pictures.contiguous(memory_format=layout)
                with self.to_train:  # type: ignore[attr-defined]
                    features = teacher.pyramid(pictures * 2 - 1)
                wanted = [standardised(part) for part in features]
            with self.to_train:  # type: ignore[attr-defined]
                found = distiller(pictures)
            losses = [(a.float() - b).square().mean() for a, b in zip(found, wanted, strict=True)]
            return torch.stack(losses).mean()

        self._fit("distillation", distiller, average, recipe.distillation, Clock(end - time.monotonic()), loss_of, None)
        average.give_back(distiller)

    def train(self) -> None:
        """Stages 2 and 3 under one cosine: mosaics on several canvases, then plain scenes on the input's."""
        recipe, model = self.recipe, self.model
        on_gpu = self.device.type == "cuda"
        scenes = Scenes.of(self.pack, self.boxed, recipe.seed)
        mixture = Mixture(self.pack, self.boxed, recipe.rebalance)
        shares, clean_shares = mixture.shares(recipe.shares), mixture.shares(recipe.clean_shares)
        criterion = YoloLoss(
            recipe.box_weight, recipe.class_weight, recipe.objectness_weight, "iou", recipe.label_smoothing
        )
        layout = fastest_layout(Total(model), recipe.fitting.batch, 352)
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
            settings = recipe.clean_scenes if clean else recipe.scenes
            with torch.no_grad():
                photos = mixture.draw(
                    clean_shares if clean else shares, batch, 1 if clean else 4, self.generator
                )
                pictures, targets, used = scenes.draw(photos, canvas_wh, settings)
                labelling = mixture.labelling(photos, used)
            forward = quick if canvas_wh == input_wh else model
            with self.to_train:  # type: ignore[attr-defined]
                raw = forward(pictures.contiguous(memory_format=layout))
            losses = self._losses(criterion, raw, canvas_wh, targets, labelling)
            parts.update({name: value.detach() for name, value in losses.items()})
            return losses["loss"]

        average = Average(model, recipe.fitting.average_decay)

        def watch(state: dict[str, Any]) -> None:
            self.save(average.model)
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
                self.validation.start(average.model, average.model.anchors_wh, entry)  # type: ignore[arg-type]

        self.save(average.model)  # something to bring home, whatever comes
        try:
            self._fit("detector", model, average, recipe.fitting, clock, loss_of, watch)
        except BaseException:
            self.save(average.model)
            raise
        final = {"loss": self.stages[-1]["loss"], "images": self.stages[-1]["images"], "saving": False}
        self.average = average.model
        self.save(average.model)
        watch(final)
        wait_seconds = 30.0 if self.most_steps else min(max(self.left + self.reserve / 2, 1), 30)
        for entry in self.validation.collect(wait_seconds):
            say(json.dumps(entry))
        self.save(average.model)
        if speedup == "measure":
            quickest(model, recipe.fitting.batch, input_wh, layout, speedup, int(self.left))

    def _losses(
        self,
        criterion: YoloLoss,
        raw: Sequence[Tensor],
        canvas_wh: tuple[int, int],
        targets: PaddedTargets,
        labelling: Labelling,
    ) -> dict[str, Tensor]:
        """Anchors are pixels of the input; on another canvas they scale with it."""
        anchors_wh = self.model.anchors_wh * (canvas_wh[1] / self.recipe.input_wh[1])
        return criterion(raw, anchors_wh, targets, labelling)

    def _fit(
        self,
        name: str,
        model: nn.Module,
        average: Average,
        schedule: Schedule,
        clock: Clock,
        loss_of: Callable[[int], Tensor],
        watch: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        if self.device.type == "cpu":
            schedule = replace(schedule, batch=min(schedule.batch, CPU_BATCH))
        done = fit(
            model,
            average,
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
        """The average's weights in half precision with their card: whole files or none."""
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
        seconds = time.monotonic() - self.started
        device = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return {
            "recipe": asdict(self.recipe),
            "seed": self.recipe.seed,
            "commit": commit_of(Path(__file__).parent),
            "device": device,
            "seconds": round(seconds, 1),
            "hours": round(seconds / 3600, 3),
            "images_seen": sum(stage["images"] for stage in self.stages),
            "photos": len(self.boxed),
            "stages": self.stages,
            "curve": self.curve,
        }

    def run(self) -> None:
        """All stages; a failure of the first costs no more than its time."""
        try:
            self.distil(self.recipe.distilled_share * self.left)
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
