"""Which of the videos in a container is read."""

from typing import Any

from av.stream import Disposition

from hebbstream.errors import ConfigurationError, NotAVideoError

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
_FETCHED_APART = ("hls", "dash")
_DISCARD_ALL = 48  # FFmpeg's AVDISCARD_ALL


def choose_video(container: Any, shown: str, number: int | None = None) -> Any:
    """Return the video to read: no cover picture; the one marked as default; the largest.

    Of variants that are fetched apart, the others are no longer fetched.

    Parameters
    ----------
    container
        An open container that has video.
    shown
        The source's name, for errors.
    number
        Which one, counted from 0 without covers; ``None`` chooses.

    Raises
    ------
    NotAVideoError
        If it holds covers only, or FFmpeg cannot decode it.
    ConfigurationError
        If there are not so many.
    """
    videos = [video for video in container.streams.video if not video.disposition & _PICTURES]
    if not videos:
        raise NotAVideoError(f"{shown}: it holds no video (only a cover picture)")
    if number is not None and number >= len(videos):
        sizes = ", ".join(f"{i}: {_size(video)}" for i, video in enumerate(videos))
        raise ConfigurationError(f"stream={number}: expected one of those in {shown}, {sizes}")
    chosen = max(videos, key=_rank) if number is None else videos[number]
    if chosen.codec_context is None:
        raise NotAVideoError(f"{shown}: FFmpeg here has no decoder for its video")
    if container.format.name in _FETCHED_APART:
        for other in container.streams:
            if other.index != chosen.index:
                other.discard = _DISCARD_ALL
    return chosen


def _rank(video: Any) -> tuple[bool, bool, int, int, int]:
    """Rank by: can be decoded, is the default, pixels, frames a second, bits a second."""
    if video.codec_context is None:
        return False, False, 0, 0, 0
    default = bool(video.disposition & Disposition.default)
    rate, bits = round(float(video.average_rate or 0)), int(video.metadata.get("variant_bitrate", 0))
    return True, default, video.width * video.height, rate, bits


def _size(video: Any) -> str:
    return "no decoder" if video.codec_context is None else f"{video.width}x{video.height}"
