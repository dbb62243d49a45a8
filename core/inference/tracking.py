"""Tracking of garments through a video: ByteTrack (Zhang et al. 2022), boxes to tracks with stable ids.

Confident boxes are matched with the tracks first, then weak boxes with the tracks that are left: a garment
that is half hidden keeps its track, and weak boxes alone start none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from core.boxes import box_iou
from core.errors import RecipeError

POSITION_STD = 1 / 20
VELOCITY_STD = 1 / 160
"""Standard deviations of a frame's motion as shares of a box's sides; those of SORT's Kalman filter."""

CLASS_SCORE_RATE = 0.2
"""The share of a frame's class scores in a track's running mean."""

DUPLICATE_IOU = 0.85


@dataclass(frozen=True)
class TrackingSettings:
    """Thresholds of the matching.

    Boxes from ``high_score`` on are matched first, those from ``low_score`` on after them; a box without a
    track starts one from ``new_score`` on. The IoU of a match is at least ``match_iou``, of a weak box
    ``low_match_iou``, of a track that was seen once ``tentative_iou``. A track that was not seen for
    ``lost_seconds`` ends. The paper's values are for pedestrians at 0.6, 0.1 and 0.7; this detector's scores
    are calibrated, and 0.3 is where its card counts a garment as found.
    """

    high_score: float = 0.25
    low_score: float = 0.1
    new_score: float = 0.3
    match_iou: float = 0.2
    low_match_iou: float = 0.5
    tentative_iou: float = 0.3
    lost_seconds: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.low_score <= self.high_score <= self.new_score <= 1:
            raise RecipeError(
                "expected 0 < low_score <= high_score <= new_score <= 1, got "
                f"{self.low_score}, {self.high_score}, {self.new_score}"
            )


class BoxFilter:
    """Kalman filter of a box: its center and size, each with a velocity of its own.

    ByteTrack's state is center, aspect and height, with noise in shares of the height. Here it is center,
    width and height, each with noise in shares of its own side (as in BoT-SORT): a belt is many times as wide
    as it is high. The four coordinates are then independent filters of two numbers, in closed form.
    """

    def __init__(self, box_xyxy: np.ndarray) -> None:
        self.position = _center_and_size(box_xyxy)  # (4,)
        self.velocity = np.zeros(4)
        sides = self._sides()
        self._pp = (2 * POSITION_STD * sides) ** 2  # variances of position and velocity, and what they share
        self._pv = np.zeros(4)
        self._vv = (10 * VELOCITY_STD * sides) ** 2

    @property
    def box_xyxy(self) -> np.ndarray:
        """The box (4,) where it is now."""
        half = np.maximum(self.position[2:], 1.0) / 2
        return np.concatenate([self.position[:2] - half, self.position[:2] + half])

    def predict(self, *, keep_size: bool = False) -> None:
        """Go one frame on; ``keep_size`` where the box is not seen, so that it does not grow away."""
        if keep_size:
            self.velocity[2:] = 0.0
        sides = self._sides()
        self.position = self.position + self.velocity
        self._pp = self._pp + 2 * self._pv + self._vv + (POSITION_STD * sides) ** 2
        self._pv = self._pv + self._vv
        self._vv = self._vv + (VELOCITY_STD * sides) ** 2

    def update(self, box_xyxy: np.ndarray) -> None:
        """Take a frame's box in."""
        error = _center_and_size(box_xyxy) - self.position
        spread = self._pp + (POSITION_STD * self._sides()) ** 2
        gain, velocity_gain = self._pp / spread, self._pv / spread
        self.position = self.position + gain * error
        self.velocity = self.velocity + velocity_gain * error
        self._vv = self._vv - velocity_gain * self._pv
        self._pv = (1 - gain) * self._pv
        self._pp = (1 - gain) * self._pp

    def _sides(self) -> np.ndarray:
        return np.tile(np.maximum(self.position[2:], 1.0), 2)  # (w, h, w, h)


@dataclass(eq=False)
class Track:
    """One garment through the frames.

    ``class_scores`` (C,) is the running mean of its boxes' scores. ``id`` is 0 until a second frame has
    confirmed the track; ``seconds`` is when it was last seen, ``missed`` how many frames ago.
    """

    filter: BoxFilter
    class_scores: np.ndarray
    seconds: float
    id: int = 0
    missed: int = 0

    @property
    def is_confirmed(self) -> bool:
        """Whether more than one frame showed it."""
        return self.id > 0


@dataclass(eq=False)
class ByteTracker:
    """The tracks of one video; :meth:`update` is given its frames in order."""

    settings: TrackingSettings = field(default_factory=TrackingSettings)
    tracks: list[Track] = field(default_factory=list)
    _ids: int = 0
    _began: bool = False

    def update(self, boxes_xyxy: np.ndarray, class_scores: np.ndarray, seconds: float) -> list[Track | None]:
        """Take in a frame's boxes (N, 4) with class scores (N, C), and give each box's track, if it has one.

        Boxes of one garment must come once (NMS). ``seconds`` is the frame's time, which never goes back.
        """
        chosen, scores = self.settings, class_scores.max(axis=1, initial=0.0)
        for track in self.tracks:
            track.filter.predict(keep_size=track.missed > 0)
        found: list[Track | None] = [None] * len(boxes_xyxy)
        high = np.flatnonzero(scores >= chosen.high_score).tolist()
        low = np.flatnonzero((scores >= chosen.low_score) & (scores < chosen.high_score)).tolist()
        confirmed = [track for track in self.tracks if track.is_confirmed]
        tentative = [track for track in self.tracks if not track.is_confirmed]

        def match(
            tracks: Sequence[Track], rows: list[int], least_iou: float
        ) -> tuple[list[Track], list[int]]:
            """Match, and give the tracks and the rows that are left."""
            pairs = matched(tracks, boxes_xyxy[rows], class_scores[rows], least_iou)
            for place, index in pairs:
                row = rows[index]
                self._see(tracks[place], boxes_xyxy[row], class_scores[row], seconds)
                found[row] = tracks[place]
            taken_tracks, taken_rows = {place for place, _ in pairs}, {index for _, index in pairs}
            return (
                [track for place, track in enumerate(tracks) if place not in taken_tracks],
                [row for index, row in enumerate(rows) if index not in taken_rows],
            )

        left, high = match(confirmed, high, chosen.match_iou)
        match([track for track in left if track.missed == 0], low, chosen.low_match_iou)
        unseen, high = match(tentative, high, chosen.tentative_iou)
        for row in high:
            if scores[row] >= chosen.new_score:
                found[row] = self._start(boxes_xyxy[row], class_scores[row], seconds)
        self._end(unseen, [track for track in found if track is not None], seconds)
        self._began = True
        return found

    def cut(self) -> None:
        """End all tracks: the next frame is the first of another shot. Ids are not used again."""
        self.tracks, self._began = [], False

    def _see(self, track: Track, box_xyxy: np.ndarray, class_scores: np.ndarray, seconds: float) -> None:
        track.filter.update(box_xyxy)
        track.class_scores = track.class_scores + CLASS_SCORE_RATE * (class_scores - track.class_scores)
        track.seconds, track.missed = seconds, 0
        track.id = track.id or self._next_id()

    def _start(self, box_xyxy: np.ndarray, class_scores: np.ndarray, seconds: float) -> Track:
        track = Track(BoxFilter(box_xyxy), class_scores.copy(), seconds)
        if not self._began:  # in the first frame there is no earlier one to confirm it
            track.id = self._next_id()
        self.tracks.append(track)
        return track

    def _end(self, unseen: list[Track], seen: list[Track], seconds: float) -> None:
        """Count the frames of the tracks that were not seen, and drop those that are over."""
        for track in self.tracks:
            if not any(track is other for other in seen):
                track.missed += 1
        boxes = np.array([track.filter.box_xyxy for track in seen]).reshape(-1, 4)
        self.tracks = [
            track
            for track in self.tracks
            if track.missed == 0
            or (
                not any(track is other for other in unseen)
                and seconds - track.seconds <= self.settings.lost_seconds
                and box_iou(track.filter.box_xyxy[None], boxes).max(initial=0.0) < DUPLICATE_IOU
            )
        ]

    def _next_id(self) -> int:
        self._ids += 1
        return self._ids


def matched(
    tracks: Sequence[Track], boxes_xyxy: np.ndarray, class_scores: np.ndarray, least_iou: float
) -> list[tuple[int, int]]:
    """The best assignment of boxes (N, 4) to tracks (Kuhn-Munkres), as pairs of places in both.

    The affinity is the IoU, halved where the class scores (N, C) have nothing in common with the track's: a
    shirt under an open jacket has nearly the jacket's box, and ByteTrack would let them swap. Pairs below
    ``least_iou`` are left out.
    """
    if not len(tracks) or not len(boxes_xyxy):
        return []
    iou = box_iou(np.array([track.filter.box_xyxy for track in tracks]), boxes_xyxy)  # (T, N)
    known = _of_length_one(np.array([track.class_scores for track in tracks]))
    affinity = iou * (0.5 + 0.5 * known @ _of_length_one(class_scores).T)
    affinity = np.where(iou >= least_iou, affinity, 0.0)
    places, rows = linear_sum_assignment(-affinity)
    return [
        (int(place), int(row)) for place, row in zip(places, rows, strict=True) if affinity[place, row] > 0
    ]


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    normalized: np.ndarray = rows / np.maximum(lengths, 1e-12)
    return normalized


def _center_and_size(box_xyxy: np.ndarray) -> np.ndarray:
    low, high = np.asarray(box_xyxy, dtype=np.float64).reshape(2, 2)
    return np.concatenate([(low + high) / 2, high - low])
