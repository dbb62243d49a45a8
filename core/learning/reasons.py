"""Why a photo was picked, in words that a person at the editor understands."""

from __future__ import annotations

from core.learning.scoring import Scores

CONTROL = "picked at random, to measure the queue"
HOLDOUT = "kept out of training: it measures the models"
NEW_LOOK = "unlike anything labelled so far"
COLD = "not seen by the models yet"
UNLIKE_OTHERS = "it looks unlike the others"
NEW_IN_COLD = f"{COLD}; {UNLIKE_OTHERS}"
BROUGHT = "brought along with its boxes; nothing speaks against them"
MIXED = "some doubt, and unlike the photos before it"
SURE = "the models are sure of it; a check that they are right"

NEARLY_TIED = 0.7  # the share from which a tie is worth a word
DOUBTFUL = 0.6  # the detector's doubt about one garment from which it is worth a word
SOME_DOUBT = 0.3
FAR_OFF = 0.75  # the share of photos that are nearer to what is labelled


def reasons_of(scores: Scores, newness: float) -> tuple[str, ...]:
    """The one to three things that speak most for a photo, strongest first.

    ``newness`` (0..1) is the share of the photos that are more like what is labelled already.
    """
    found: list[tuple[float, str]] = []
    tied, doubted = scores.tied, scores.doubted
    if tied is not None and tied.share >= NEARLY_TIED:
        found.append((tied.share, f"two categories nearly tied: {tied.first} or {tied.second}"))
    if scores.empty:
        found.append((1.0, "no garment was found"))
    elif doubted is not None and doubted[0] >= DOUBTFUL:
        found.append((doubted[0], f"unsure whether this is a garment: {doubted[1]}"))
    if newness >= FAR_OFF:
        found.append((newness, NEW_LOOK))
    if not found:
        return (MIXED if max(scores.parts.values(), default=0.0) > SOME_DOUBT else SURE,)
    return tuple(words for _, words in sorted(found, reverse=True))


def once_seen(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """The reasons that still hold once the models have looked at a photo after it was put into the queue.

    >>> once_seen(("not seen by the models yet; it looks unlike the others",))
    ('it looks unlike the others',)
    """
    now = {COLD: "", NEW_IN_COLD: UNLIKE_OTHERS}
    return tuple(words for words in (now.get(reason, reason) for reason in reasons) if words)
