"""The bundled clip, a virtual camera over freely licensed photographs, and its labels."""

from hebbstream.clip._clip import CLIP, clip_label
from hebbstream.clip._example import load_example

__all__ = ["CLIP", "clip_label", "load_example"]
