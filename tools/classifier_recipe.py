"""The settings of the classifier's training on one GPU, and the labels that it learns."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.gpu_crops import Augmentation
from tools.gpu_trainer import Schedule

LABELS = (
    "Bag", "Belt", "Blazer", "Blouse", "Body", "Dress", "Hat", "Hoodie", "Longsleeve", "Outwear", "Pants",
    "Polo", "Scarf", "Shirt", "Shoes", "Shorts", "Skirt", "Sunglasses", "T-Shirt", "Tie", "Top", "Undershirt",
)  # fmt: skip
"""The shipped classifier's labels; its card may not travel."""


@dataclass(frozen=True)
class GpuClassifierRecipe:
    """All settings; shares and chances in 0..1, times as shares of the time left after loading."""

    name: str = "distilled"
    seed: int = 0
    sources: tuple[tuple[str, float], ...] = (
        ("catalog", 1.0), ("catalog-crop", 0.5), ("street", 0.6), ("chictopia", 0.3),
    )  # fmt: skip
    rebalance: float = 0.02  # LVIS's threshold
    cache_side: int = 288
    label_smoothing: float = 0.1
    mix_chance: float = 0.6
    mix_alpha: float = 0.4
    teacher_share: float = 0.4
    teacher_sides: tuple[int, ...] = (256, 224)  # one teacher each
    teacher_passes: float = 9.0  # over all pictures; teachers are left out that would stay below it
    teacher_dropout: float = 0.2
    teacher_drop_path: float = 0.1
    teacher_smoothing: float = 0.05
    teacher: Schedule = field(default_factory=lambda: Schedule(1.5e-3, backbone_rate=0.4, batch=192))
    teacher_views: Augmentation = field(default_factory=lambda: Augmentation(area=(0.3, 1.0)))
    dropout: float = 0.1
    temperature: float = 1.5
    soft_weight: float = 0.8  # the teachers' share of the loss where a label is known
    student: Schedule = field(default_factory=lambda: Schedule(1e-3, backbone_rate=0.5, batch=256))
    student_views: Augmentation = field(default_factory=Augmentation)
    validate_seconds: float = 45.0
    save_seconds: float = 60.0
