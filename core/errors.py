"""Errors a person can mend: each carries one sentence that says what was expected and what came."""


class LapelError(Exception):
    """Base of all errors whose text is meant for the person at the page or the shell."""


class PhotoError(LapelError):
    """A file that cannot be taken as a photo."""


class VideoError(LapelError):
    """A file that cannot be taken as a video, or a video that cannot be written."""


class ArchiveError(LapelError):
    """An archive that is refused as a whole."""


class DatasetError(LapelError):
    """Annotations that cannot be read, or that contradict themselves."""


class WeightsError(LapelError):
    """Weights that are missing, damaged, or belong to another model."""


class RecipeError(LapelError):
    """A model, preset or training setting outside what is supported."""


class AccessError(LapelError):
    """Something that this person, address or role may not do."""


class StoreError(LapelError):
    """The store could not do what was asked; the sentence says why."""


class StoreBusyError(StoreError):
    """The database was locked for too long; nothing was changed, and trying again may help."""


class StoreAwayError(StoreBusyError):
    """The place of the pictures cannot be used now; nothing was changed, and trying again may help."""


class StoreFullError(StoreError):
    """There is no room left to write; nothing was changed."""


class NotFoundError(StoreError):
    """There is no such thing, or it is another person's."""


class ConflictError(StoreError):
    """Somebody else changed it in the meantime; nothing was changed."""


class EngineError(LapelError):
    """An inference engine that is not known, not installed, or not for this device."""
