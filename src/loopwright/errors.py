"""What a user can act on. Library code raises these; only `cli` and `studio` print or exit.

Every message says what is wrong, where, and what to do next, in one or two sentences.
"""


class LoopwrightError(Exception):
    """Base of every error a user can act on: shown as one line, never as a traceback."""


class InputError(LoopwrightError):
    """A file, folder or value given by the user cannot be used."""


class ConfigError(LoopwrightError):
    """A recipe or setting is unknown or contradicts itself."""


class MelMismatchError(LoopwrightError):
    """Two parts (data, model, vocoder, features) were made for different mel settings."""


class WeightsError(LoopwrightError):
    """A weight file is missing, damaged or not the one it should be."""


class TrainingDivergedError(LoopwrightError):
    """A loss or gradient became NaN or infinite; the last good checkpoint is kept."""


class BusyError(LoopwrightError):
    """Another process is already working on the same output."""
