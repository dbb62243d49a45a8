"""Errors a person can mend: each carries one sentence that says what was expected and what came."""


class LapelError(Exception):
    """Base of all errors whose text is meant for the person at the page or the shell."""


class PhotoError(LapelError):
    """A file that cannot be taken as a photo."""


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
