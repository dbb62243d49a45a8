"""Labeling of a video, frame by frame: garments that keep their number, their box and their name.

The detector sees every frame; the tracker says which boxes are one garment. The classifier sees a garment's
crop when it is new and ever more seldom after that, and a track's labels are the mean over its crops. What is
shown is decided from these means as a photo's garments are (:meth:`Labeler.decide`), so that one odd frame
renames nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from core.boxes import box_iou
from core.errors import RecipeError
from core.garments import Garment, LabeledFrame, TrackedGarment
from core.images.decode import Photo
from core.inference.detector import RawDetections
from core.inference.labeler import Labeler
from core.inference.tracking import ByteTracker, Track, TrackingSettings
from core.models.nms import greedy_suppression

CROP_WAITS = (3, 6, 12, 24, 32)
"""Frames after a track's first, second, ... crop until its next one."""

MOST_CROPS_IN_MEAN = 20
"""From this many crops on, older ones fade out of a track's mean: a person may put on a coat."""

SAME_CATEGORY_IOU = 0.35
"""Below NMS's, as small frames often give one bag two boxes."""

CUT_INTERSECTION = 0.65
"""Two frames whose color histograms have less than this in common are of two shots."""

STAYS_SHOWN = 0.8
"""A garment that is shown stays while its score reaches this share of the threshold."""


@dataclass(frozen=True)
class VideoSettings:
    """How much work a frame may be.

    ``input_size`` is the detector's long side in pixels, a multiple of 32; ``most_crops`` the classifier's
    crops a frame. A garment that is not seen stays where its motion takes it for ``coasting_frames``.
    """

    input_size: int = 320
    most_crops: int = 2
    coasting_frames: int = 2
    tracking: TrackingSettings = field(default_factory=TrackingSettings)

    def __post_init__(self) -> None:
        if self.input_size % 32 or self.input_size <= 0:
            raise RecipeError(f"expected an input size that is a multiple of 32, got {self.input_size}")
        if self.most_crops < 1 or self.coasting_frames < 0:
            raise RecipeError(
                f"expected a crop a frame and no less, got {self.most_crops} and {self.coasting_frames}"
            )


LIVE = VideoSettings()
"""For a camera: a frame costs about the same whatever it shows, and new garments get their names in turn."""

WHOLE = VideoSettings(input_size=480, most_crops=16)
"""For a file, which waits: garments have their names from the first frame on."""


@dataclass(eq=False)
class _Named:
    """What the classifier has said of a track: its mean, the crops behind it, the frame of the next one."""

    labels: np.ndarray  # (L,)
    crops: int = 1
    next_frame: int = 0
    is_shown: bool = False


class VideoLabeler:
    """Labels the frames of one video or camera in their order; only ``detect`` is for several threads.

    The labeler's networks are shared, so one for each visitor costs little.
    """

    def __init__(self, labeler: Labeler, settings: VideoSettings = LIVE) -> None:
        card = replace(labeler.detector.card, input_size=settings.input_size)
        self.labeler, self.settings = labeler, settings
        self.detector = replace(labeler.detector, card=card)
        self._tracker = ByteTracker(settings.tracking)
        self._named: dict[Track, _Named] = {}
        self._frames = 0
        self._colors: np.ndarray | None = None
        self._threshold = 0.0

    def label(
        self, photo: Photo, seconds: float, score_threshold: float | None = None, *, frame: int | None = None
    ) -> LabeledFrame:
        """The next frame's garments from ``score_threshold`` on (the card's by default), best first.

        ``seconds`` is the frame's time, which never goes back; ``frame`` its number, by default counted here.
        """
        return self.follow(photo, self.detect(photo), seconds, score_threshold, frame=frame)

    def detect(self, photo: Photo) -> RawDetections:
        """The places of a frame where a garment may be: most of a frame's work, and of no other frame.

        The next frames may be detected by other threads meanwhile; each is then given to :meth:`follow`.
        """
        found = self.detector.raw_detections(photo, self.settings.tracking.low_score)
        return class_agnostic_nms(found, self.labeler.joint.same_garment_iou)

    def follow(
        self,
        photo: Photo,
        places: RawDetections,
        seconds: float,
        score_threshold: float | None = None,
        *,
        frame: int | None = None,
    ) -> LabeledFrame:
        """As :meth:`label`, of the next frame whose places :meth:`detect` has found; one frame at a time."""
        threshold = self.labeler.default_threshold if score_threshold is None else score_threshold
        if threshold != self._threshold:  # it is obeyed at once; only scores that tremble are not
            self._threshold = threshold
            for named in self._named.values():
                named.is_shown = False
        self._end_tracks_at_cuts(photo.image)
        seen = self._tracker.update(places.boxes_xyxy, places.class_scores, seconds)
        self._named = {track: self._named[track] for track in self._tracker.tracks if track in self._named}
        self._classify(photo, [track for track in seen if track is not None and track.is_confirmed])
        garments = self._decide(photo, threshold)
        number = self._frames if frame is None else frame
        self._frames += 1
        return LabeledFrame(photo.name, number, seconds, photo.width, photo.height, garments)

    def _end_tracks_at_cuts(self, picture: Image.Image) -> None:
        """Let no garment of another shot take over a track that happens to be where it is."""
        before, self._colors = self._colors, color_histogram(picture)
        if before is not None and np.minimum(before, self._colors).sum() < CUT_INTERSECTION:
            self._tracker.cut()

    def _classify(self, photo: Photo, seen: list[Track]) -> None:
        """Show the classifier the crops that are due: of new tracks first, then those that wait longest."""
        due = [t for t in seen if t not in self._named or self._named[t].next_frame <= self._frames]
        due.sort(key=lambda t: self._named[t].next_frame if t in self._named else -1)
        due = due[: self.settings.most_crops]
        if not due:
            return
        crops = self.labeler.classifier.crops(photo, [tuple(track.filter.box_xyxy.tolist()) for track in due])
        labels, _ = self.labeler.classifier.predict(crops)
        for track, row in zip(due, labels.astype(np.float64), strict=True):
            named = self._named.setdefault(track, _Named(row, crops=0))
            named.crops += 1
            named.labels = named.labels + (row - named.labels) / min(named.crops, MOST_CROPS_IN_MEAN)
            named.next_frame = self._frames + CROP_WAITS[min(named.crops, len(CROP_WAITS)) - 1]

    def _decide(self, photo: Photo, threshold: float) -> tuple[TrackedGarment, ...]:
        """The garments of the tracks that have a name and are in sight, decided together."""
        tracks, boxes = [], []
        for track in self._named:
            box = np.clip(track.filter.box_xyxy, 0, [*photo.size_wh] * 2)
            if track.missed <= self.settings.coasting_frames and (box[2:] - box[:2] >= 1).all():
                tracks.append(track)
                boxes.append(box)
        if not tracks:
            return ()
        means = np.array([track.class_scores for track in tracks])
        labels = np.array([self._named[track].labels for track in tracks])
        garments = self.labeler.decide(RawDetections(np.array(boxes), means, photo.size_wh), labels)
        # The decision gives boxes as they were given, in an order of its own and without those it drops.
        track_of = {tuple(box.tolist()): track for box, track in zip(boxes, tracks, strict=True)}
        shown = [
            TrackedGarment(track_of[garment.box_xyxy].id, garment)
            for garment in garments
            if self._is_shown(track_of[garment.box_xyxy], garment, threshold)
        ]
        for track in tracks:
            self._named[track].is_shown = any(track.id == tracked.track for tracked in shown)
        return tuple(shown)

    def _is_shown(self, track: Track, garment: Garment, threshold: float) -> bool:
        least = STAYS_SHOWN * threshold if self._named[track].is_shown else threshold
        return garment.score >= least


def color_histogram(picture: Image.Image) -> np.ndarray:
    """The shares of 64 colors in a picture: (64,), which sum to one."""
    small = np.asarray(picture.convert("RGB").resize((64, 48), Image.Resampling.BOX)).reshape(-1, 3)
    counts = np.bincount((small >> 6).astype(np.int64) @ np.array([16, 4, 1]), minlength=64)
    shares: np.ndarray = counts / counts.sum()
    return shares


def class_agnostic_nms(detections: RawDetections, same_place_iou: float) -> RawDetections:
    """The detections without those that a better one overlaps too far.

    That is above ``SAME_CATEGORY_IOU`` where both are likeliest of one category, else above
    ``same_place_iou``: in a photo the classifier decides between two categories at one place; here that is
    left to the track's mean, since two tracks of one garment would take turns.
    """
    iou = box_iou(detections.boxes_xyxy, detections.boxes_xyxy)
    if not len(detections):
        return detections
    best, scores = detections.class_scores.argmax(axis=1), detections.class_scores.max(axis=1)
    suppresses = iou > np.where(best[:, None] == best, SAME_CATEGORY_IOU, same_place_iou)
    kept = greedy_suppression(np.argsort(-scores, kind="stable"), suppresses)
    return RawDetections(
        detections.boxes_xyxy[kept].reshape(-1, 4), detections.class_scores[kept], detections.photo_wh
    )
