# /// script
# requires-python = ">=3.11"
# dependencies = ["av>=14", "numpy>=2", "pillow>=10", "scikit-image>=0.24", "scikit-learn>=1.5"]
# ///
"""Build hebbstream/clip/demo.mp4 and demo.json: a virtual camera over real, freely licensed photographs.

The camera pans and zooms over one photograph at a time and cuts to another every third of a second or so, with the
drifting exposure and colour cast of a cheap webcam. The photograph is the label. Everything is drawn from one seed.

    python scripts/make_demo_clip.py [--output FOLDER]
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

CLIP = Path(__file__).parent.parent / "hebbstream" / "clip"
SEED = 2023
SIDE = 64  # pixels
RATE = 25  # frames per second
FRAMES = 6000
SHOT = (6, 12)  # shortest and longest shot, in frames
LEAST_CONTRAST = 20.0  # standard deviation of a view's pixels
NOISE = 4.0  # standard deviation of the sensor's noise
VIEW = (0.25, 0.6)  # side of the camera's view, as a share of the photograph's shorter side

# Their authors and terms are in hebbstream/clip/LICENSES.md.
PHOTOGRAPHS = ("astronaut", "camera", "cat", "coffee", "flower", "temple", "retina", "rocket")


def photograph(name: str) -> np.ndarray:
    if name in ("flower", "temple"):
        return load_sample_image({"flower": "flower.jpg", "temple": "china.jpg"}[name])
    return getattr(data, name)()


def shots(rng: np.random.Generator) -> Iterator[tuple[str, int]]:
    """Yield (photograph, frames); never the same photograph twice in a row."""
    left, last = FRAMES, ""
    while left:
        name = str(rng.choice([name for name in PHOTOGRAPHS if name != last]))
        length = min(left, int(rng.integers(SHOT[0], SHOT[1] + 1)))
        yield name, length
        left, last = left - length, name


def pose(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Draw a view as (left, top, side) in pixels of the photograph; one that shows something, not just sky."""
    while True:
        side = rng.uniform(*VIEW) * min(picture.size)
        view = np.array([rng.uniform(0, picture.width - side), rng.uniform(0, picture.height - side), side])
        if np.asarray(picture.crop((view[0], view[1], view[0] + side, view[1] + side))).std() > LEAST_CONTRAST:
            return view


def film(picture: Image.Image, length: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the frames of one shot."""
    start = pose(picture, rng)
    end = start + 0.35 * (pose(picture, rng) - start)
    gain = rng.uniform(0.6, 1.4, size=(2, 1)) * rng.uniform(
        0.8, 1.2, size=(2, 3)
    )  # exposure × colour cast, start and end
    for progress in np.linspace(0, 1, length):
        left, top, side = start + progress * (end - start)
        frame = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
        frame = np.asarray(frame, dtype=np.float32) * (gain[0] + progress * (gain[1] - gain[0]))
        yield np.clip(frame + rng.normal(0, NOISE, frame.shape), 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=CLIP, metavar="FOLDER")
    folder = parser.parse_args().output
    rng = np.random.default_rng(SEED)
    photographs = {name: Image.fromarray(photograph(name)).convert("RGB") for name in PHOTOGRAPHS}
    segments, position = [], 0
    with av.open(str(folder / "demo.mp4"), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=RATE, options={"crf": "30", "preset": "veryslow"})
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        for name, length in shots(rng):
            segments.append({"start": position / RATE, "label": name})
            position += length
            for picture in film(photographs[name], length, rng):
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
    (folder / "demo.json").write_text(json.dumps({"segments": segments}) + "\n")
    print(f"{folder / 'demo.mp4'}: {position} frames, {(folder / 'demo.mp4').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
