"""The bundled clip, a virtual camera over freely licensed photographs, and its labels."""

from hebbstream.clip._clip import CLIP, clip_label

__all__ = ["CLIP", "clip_label"]
