"""Video: files, cameras, network streams and synthetic pictures, decoded by PyAV."""

from hebbstream.adapters.video._labels import labels_from_json
from hebbstream.adapters.video._video import VideoStream, open_video

__all__ = ["VideoStream", "labels_from_json", "open_video"]
