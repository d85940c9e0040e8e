"""Video: files, cameras, network streams and synthetic pictures, decoded by PyAV."""

from hebbstream.adapters.video._labels import labels_from_json
from hebbstream.adapters.video._video import open_video

__all__ = ["labels_from_json", "open_video"]
