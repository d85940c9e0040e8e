"""Sound files, microphones and network streams, as streams of samples."""

from hebbstream.adapters.audio._audio import open_audio
from hebbstream.adapters.audio._log_mel import log_mel

__all__ = ["log_mel", "open_audio"]
