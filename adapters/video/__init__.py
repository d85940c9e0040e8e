"""Video: files, cameras, network streams and synthetic pictures, decoded by PyAV."""

from hebbstream.adapters.video._labels import read_labels
from hebbstream.adapters.video._video import open_video

__all__ = ["open_video", "read_labels"]
