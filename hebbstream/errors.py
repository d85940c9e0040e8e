"""Every error the library raises on purpose: one base class, one subclass per kind of trouble.

Each message is one line that quotes what arrived and says what was expected. An error about a sample is raised
before any state changes.
"""

from hebbstream._credentials import mask_credentials
from hebbstream._quote import shorten

__all__ = [
    "ChannelError",
    "CheckpointError",
    "CheckpointNotFoundError",
    "CheckpointVersionError",
    "ConfigurationError",
    "ConnectionLostError",
    "CorruptCheckpointError",
    "CorruptModelError",
    "DamagedFileError",
    "DtypeError",
    "EmptyStreamError",
    "HebbstreamError",
    "ImageSizeError",
    "InputError",
    "LabelError",
    "MissingDependencyError",
    "ModelError",
    "ModelNotFoundError",
    "NonFiniteError",
    "NotASoundError",
    "NotAVideoError",
    "OutputError",
    "PeerError",
    "PrecisionError",
    "RankError",
    "SourceNotFoundError",
    "SourcePermissionError",
    "StalledStreamError",
    "StreamError",
    "TruncatedVideoError",
    "ValueRangeError",
]


class HebbstreamError(Exception):
    """Base class of every error that hebbstream raises on purpose.

    Its message shortens what is long in the middle, and shows no password of an address, wherever one was given by mistake.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(shorten(mask_credentials(message)))


class ConfigurationError(HebbstreamError, ValueError):
    """A specification, preset or option that cannot work."""


class MissingDependencyError(HebbstreamError, ImportError):
    """An optional package is needed and not installed; the message names the extra that brings it."""


class InputError(HebbstreamError, ValueError):
    """A sample that was refused; nothing has changed."""


class RankError(InputError):
    """The sample has the wrong number of dimensions."""


class ChannelError(InputError):
    """No axis of the sample has the number of channels the network reads."""


class DtypeError(InputError, TypeError):
    """The sample is neither uint8 nor floating point, or not an array at all."""


class NonFiniteError(InputError):
    """The sample holds NaN or infinity."""


class ValueRangeError(InputError):
    """The sample holds values outside the range the network was told to expect."""


class ImageSizeError(InputError):
    """The image is smaller than the network can pool, or not of the size the network was built for."""


class LabelError(InputError, TypeError):
    """The label cannot be used as a class (it is not hashable) or cannot be stored."""


class StreamError(HebbstreamError):
    """A source of samples cannot be read."""


class EmptyStreamError(StreamError, ValueError):
    """The stream has no samples: it was empty, was read to its end before, or is closed."""


class SourceNotFoundError(StreamError, FileNotFoundError):
    """The source does not exist."""


class DamagedFileError(StreamError, ValueError):
    """A file of samples is cut, damaged, or not of a format that is read."""


class NotASoundError(StreamError, ValueError):
    """The source exists but holds no sound that can be decoded."""


class NotAVideoError(StreamError, ValueError):
    """The source exists but holds no video that can be decoded."""


class TruncatedVideoError(StreamError):
    """The video is cut or damaged: frames that belong to it are missing at its end."""


class SourcePermissionError(StreamError, PermissionError):
    """The source exists but refuses: no permission, or wrong credentials. Trying again would not help."""


class ConnectionLostError(StreamError, ConnectionError):
    """A camera or network stream cannot be reached, or broke off and could not be reached again in time."""


class StalledStreamError(StreamError, TimeoutError):
    """A camera or network stream is there but sends no frame."""


class CheckpointError(HebbstreamError):
    """A checkpoint that cannot be used."""


class CheckpointNotFoundError(CheckpointError, FileNotFoundError):
    """There is no checkpoint at that path."""


class CorruptCheckpointError(CheckpointError, ValueError):
    """The file is damaged, or was never a hebbstream checkpoint."""


class CheckpointVersionError(CheckpointError, ValueError):
    """The checkpoint was written in a format, or by a version, that this one does not read."""


class ModelError(HebbstreamError):
    """An exported model that cannot be used."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """There is no model at that path."""


class CorruptModelError(ModelError, ValueError):
    """The file is damaged, or was never a model that hebbstream wrote."""


class PrecisionError(ModelError, ValueError):
    """A model of lower precision differs from the network by more than is allowed."""


class PeerError(HebbstreamError, ConnectionError):
    """Another process that learns the same network is lost, or has ended with an error of its own."""


class OutputError(HebbstreamError, OSError):
    """A file could not be written; whatever stood at that path before is untouched."""
