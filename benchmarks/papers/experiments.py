"""What is compared: the arms of each table, the protocols they are run by, and what the papers published.

Both papers leave sizes and schedules open, and their data (DeepFashion, DeepFashion2) is not here: what a
protocol fixes is a reconstruction. All arms of a table have the same photos, schedule, augmentation and
seeds, start from random weights unless they say otherwise, and are measured after their last epoch, so that
no photo of the validation chooses an epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.training.recipes import ClassifierRecipe, DetectorRecipe

BASELINES = ("ssd", "retinanet", "faster-rcnn", "r-fcn")
EXPERIMENTS = ("ablation", "classes", "detectors", "classifier", "costs")


@dataclass(frozen=True)
class Arm:
    """One network of a table. ``anchors`` is how a YOLO's are chosen: darknet, own (K-means++) or random."""

    kind: str
    model: str
    anchors: str = ""
    recipe: str = ""

    @property
    def from_imagenet(self) -> bool:
        """Whether the arm begins with ImageNet's weights."""
        return self.recipe == "poster"

    @property
    def name(self) -> str:
        """As files are called."""
        return "-".join(part for part in (self.model, self.anchors, self.recipe) if part)

    @property
    def title(self) -> str:
        """As tables call it."""
        words = [TITLES[self.model], ANCHOR_TITLES.get(self.anchors, ""), RECIPE_TITLES.get(self.recipe, "")]
        return ", ".join(word for word in words if word)


TITLES = {
    "yolov4": "YOLOv4",
    "yolov4-gs": "YOLOv4-GS",
    "ssd": "SSD",
    "retinanet": "RetinaNet",
    "faster-rcnn": "Faster R-CNN",
    "r-fcn": "R-FCN",
    "mobilenet": "MobileNet without attention",
    "mobilenet-mha": "MobileNet with attention",
    "vgg16": "VGG-16",
}
ANCHOR_TITLES = {
    "darknet": "Darknet's anchors",
    "own": "K-means++ anchors",
    "random": "randomly seeded K-means anchors",
}
RECIPE_TITLES = {"poster": "the poster's recipe", "fine": "our recipe"}

ABLATION = (
    Arm("detector", "yolov4", "darknet"),
    Arm("detector", "yolov4-gs", "darknet"),
    Arm("detector", "yolov4-gs", "own"),
    Arm("detector", "yolov4-gs", "random"),
)
"""First paper, figure 8; the last arm is not in it."""

DETECTORS = (
    *(Arm("detector", model) for model in BASELINES),
    Arm("detector", "yolov4", "own"),
    Arm("detector", "yolov4-gs", "own"),
)
"""First paper, figure 10: both YOLOs with anchors of their own, as an equal effort."""

CLASSIFIERS = (
    Arm("classifier", "mobilenet", recipe="poster"),
    Arm("classifier", "mobilenet-mha", recipe="poster"),
    Arm("classifier", "mobilenet", recipe="fine"),
    Arm("classifier", "mobilenet-mha", recipe="fine"),
    Arm("classifier", "vgg16", recipe="fine"),
)
"""Second paper: both MobileNets by the poster's recipe, which begins with ImageNet's weights and freezes most
of the network with attention; and all three from random weights by ours. VGG-16 has no arm by the poster's
recipe, since its ImageNet weights do not come with this project (``core train classifier --pretrained`` takes
them)."""

ARMS: Mapping[str, tuple[Arm, ...]] = {
    "ablation": ABLATION,
    "classes": (ABLATION[0], ABLATION[2]),
    "detectors": DETECTORS,
    "classifier": CLASSIFIERS,
    "costs": (),
}
"""The arms of an experiment; an arm that two tables have is trained once."""

PUBLISHED = {
    "yolov4-darknet": {"mAP50": 0.710},
    "yolov4-gs-darknet": {"mAP50": 0.726},
    "yolov4-gs-own": {"mAP50": 0.731},
    "mobilenet-poster": {"top5": 0.8913},
    "mobilenet-mha-poster": {"top5": 0.9208},
    "vgg16-fine": {"top5": 0.9620},
}
"""Figures of the papers, on their own data: mAP@0.5 on DeepFashion2 (71.0 and 72.6 follow from 73.1 and the
gains of 1.6 and 0.5 that the text names), top-5 on DeepFashion (VGG-16: the best that the poster cites)."""


@dataclass(frozen=True)
class Protocol:
    """Sizes, schedules and seeds of all arms.

    ``seeds`` are those of the ablation, whose differences are small; other tables take the first. ``yolo`` is
    the preset of both YOLOs, ``baseline`` that of the other detectors: a backbone of like cost. ``sides`` are
    the side of a detector's square input and of a classifier's, in pixels.
    """

    name: str
    yolo: str
    baseline: str
    sides: tuple[int, int]
    seeds: tuple[int, ...]
    detector: Mapping[str, Any]
    classifier: Mapping[str, Any]
    photos: int | None = None
    resamples: int = 1000
    notes: tuple[str, ...] = field(default=())

    def recipe_of(self, arm: Arm, seed: int) -> DetectorRecipe | ClassifierRecipe:
        """The recipe of an arm."""
        if arm.kind == "classifier":
            return classifier_recipe(self, arm, seed)
        preset = self.yolo if arm.model.startswith("yolov4") else self.baseline
        side = self.sides[0]
        settings = {"input_wh": (side, side), "seed": seed, **self.detector}
        return DetectorRecipe(f"papers {self.name}", model=arm.model, preset=preset, **settings)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def classifier_recipe(protocol: Protocol, arm: Arm, seed: int) -> ClassifierRecipe:
    """The poster's settings (SGD, rate 0.0001 times 0.9 at a plateau, batch 16) or those of ``fine``."""
    from core.training.recipes import recipe_named, with_changes

    chosen = recipe_named("classifier", arm.recipe)
    settings = {"seed": seed, **protocol.classifier}
    if not arm.from_imagenet:
        settings |= {"input_size": protocol.sides[1], "trainable": "all"}
    return with_changes(chosen, model=arm.model, **settings)  # type: ignore[return-value]
