"""Garment and LabeledPhoto: the result of labeling a photo, in all packages and in the JSON contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

Box = tuple[float, float, float, float]
RankedLabels = tuple[tuple[str, float], ...]
MODELS = ("detector", "classifier")
CANDIDATE_THRESHOLD = 0.1
"""Garments are stored from this score on, so that a threshold moves without running the models again."""


@dataclass(frozen=True)
class Garment:
    """One garment: where it is, and what detector and classifier decided together.

    ``box_xyxy`` is in pixels of the upright photo; ``score`` and the probabilities of ``top5`` lie in 0..1;
    ``top5`` is sorted, best first. ``label`` is a person's choice where it differs from the model's first.
    ``detector`` is the category and score, ``classifier`` the label and probability that each model said
    alone.
    """

    box_xyxy: Box
    category: str
    score: float
    top5: RankedLabels = ()
    label: str | None = None
    corrected: bool = False
    detector: tuple[str, float] | None = None
    classifier: tuple[str, float] | None = None

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box_xyxy
        if not (x1 > x0 and y1 > y0):
            raise ValueError(f"a box needs x0 < x1 and y0 < y1, got {self.box_xyxy}")
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"a score lies in 0..1, got {self.score}")

    @property
    def best_label(self) -> str:
        """The chosen label: a person's where there is one, else the classifier's first, else the category."""
        if self.label is not None:
            return self.label
        return self.top5[0][0] if self.top5 else self.category

    @property
    def models_disagree(self) -> bool:
        """Whether one of the models alone said something else than both decided together."""
        overruled = self.detector is not None and self.detector[0] != self.category
        relabeled = self.classifier is not None and bool(self.top5) and self.classifier[0] != self.top5[0][0]
        return not self.corrected and (overruled or relabeled)

    def correct(self, *, category: str | None = None, label: str | None = None) -> Garment:
        """The same garment with a person's category or label."""
        return replace(
            self,
            category=self.category if category is None else category,
            label=self.label if label is None else label,
            corrected=True,
        )

    def as_dict(self) -> dict[str, Any]:
        """The contract's entry of ``garments``; a corrected garment says so and names its label."""
        entry: dict[str, Any] = {
            "box": [round(value, 2) for value in self.box_xyxy],
            "category": self.category,
            "score": round(self.score, 4),
            "top5": [[label, round(probability, 4)] for label, probability in self.top5],
        }
        for name, said in (("detector", self.detector), ("classifier", self.classifier)):
            if said is not None:
                entry[name] = [said[0], round(said[1], 4)]
        if self.corrected:
            entry |= {"corrected": True, "label": self.best_label}
        return entry

    def as_saved(self) -> dict[str, Any]:
        """All of it, for ``from_saved``."""
        return asdict(self)

    @classmethod
    def from_saved(cls, entry: Mapping[str, Any]) -> Garment:
        """A garment out of its saved form. Raises KeyError, TypeError or ValueError for what is none."""
        x0, y0, x1, y1 = (float(value) for value in entry["box_xyxy"])
        label = entry["label"]
        alone = [entry.get(model) and (str(entry[model][0]), float(entry[model][1])) for model in MODELS]
        return cls(
            (x0, y0, x1, y1),
            str(entry["category"]),
            float(entry["score"]),
            tuple((str(label), float(probability)) for label, probability in entry["top5"]),
            None if label is None else str(label),
            bool(entry["corrected"]),
            *(said or None for said in alone),
        )


@dataclass(frozen=True)
class LabeledPhoto:
    """A photo's name and upright size in pixels with its garments, best first, and what labeled it."""

    photo: str
    width: int
    height: int
    seconds: float
    models: dict[str, str] = field(default_factory=dict)
    garments: tuple[Garment, ...] = ()

    def above(self, score_threshold: float) -> LabeledPhoto:
        """The same photo with the garments whose score reaches the threshold (a person's stay)."""
        kept = tuple(g for g in self.garments if g.corrected or g.score >= score_threshold)
        return replace(self, garments=kept)

    def as_dict(self) -> dict[str, Any]:
        """The contract's JSON line."""
        return {
            "photo": self.photo,
            "width": self.width,
            "height": self.height,
            "seconds": round(self.seconds, 4),
            "models": dict(self.models),
            "garments": [garment.as_dict() for garment in self.garments],
        }


@dataclass(frozen=True)
class Refusal:
    """A file that could not be read, with the sentence for the person who brought it."""

    photo: str
    error: str

    def as_dict(self) -> dict[str, str]:
        """The contract's JSON line of a photo that can't be read."""
        return {"photo": self.photo, "error": self.error}


@dataclass(frozen=True)
class TrackedGarment:
    """A garment of a video's frame, and the number of its track, which it keeps from frame to frame."""

    track: int
    garment: Garment

    def as_dict(self) -> dict[str, Any]:
        """The contract's entry of a frame's ``garments``."""
        return {**self.garment.as_dict(), "track": self.track}


@dataclass(frozen=True)
class LabeledFrame:
    """A frame of a video with its garments, best first.

    ``frame`` counts the video's frames from 0, ``seconds`` is the frame's time from the beginning; width and
    height are the upright frame's in pixels.
    """

    video: str
    frame: int
    seconds: float
    width: int
    height: int
    garments: tuple[TrackedGarment, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The contract's JSON line of a frame."""
        return {
            "video": self.video,
            "frame": self.frame,
            "time": round(self.seconds, 3),
            "width": self.width,
            "height": self.height,
            "garments": [tracked.as_dict() for tracked in self.garments],
        }
