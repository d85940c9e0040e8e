"""Make the video worlds: frames in the order of the stream, with labels.

    PYTHON benchmarks/quality/worlds/make.py FOLDER [WORLD ...]

PYTHON is that of an environment of its own, with pybullet, ale-py, scikit-image and opencv-python-headless; nothing of them
is shipped. `turning-objects`: 30 of pybullet's random objects turn, tilt and drift before photographs that change; two
sessions to learn from, one unseen to test. `other-objects`: the same with 30 others. `grey-objects`: 30 more, all grey,
closer and tilted less, so that only shape tells. Atari: sticky random play; labels are positions read from the game's
memory, at the addresses of the Atari Annotated RAM Interface (Anand et al. 2019); later episodes to test.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

Array = np.ndarray[Any, Any]

OBJECTS, PER_OBJECT, SIDE, RENDERED = 30, 150, 64, 128
BACKGROUNDS = (  # one pool of photographs a session; the last is the test's
    ("astronaut.png", "grass.png", "motorcycle_left.png", "coins.png"),
    ("chelsea.png", "gravel.png", "hubble_deep_field.jpg", "page.png"),
    ("coffee.png", "rocket.jpg", "brick.png", "ihc.png", "retina.jpg"),
)
TRAINED, TESTED, FRAME_SKIP, KEPT_ACTION, BINS = 8000, 3000, 4, 0.85, 8
GAMES = {
    "breakout": {"player_x": 72, "ball_x": 99, "ball_y": 101},
    "space_invaders": {"player_x": 28, "enemies_x": 26, "invaders_left": 17},
    "pong": {"player_y": 51, "ball_x": 49, "ball_y": 54},
    "ms_pacman": {"player_x": 10, "player_y": 16, "blinky_x": 9, "blinky_y": 15},
}


@dataclass(frozen=True)
class Scene:
    """Which objects, and how they are seen.

    Parameters
    ----------
    group
        0 for the first 30 objects, 1 for the next, ….
    distance
        Of the camera, in sizes of the object.
    tilt
        Greatest, in radians.
    grey
        Whether nothing has a colour.
    """

    group: int = 0
    distance: float = 1.6
    tilt: float = 0.6
    grey: bool = False


SCENES = {
    "turning-objects": Scene(),
    "other-objects": Scene(group=1),
    "grey-objects": Scene(group=2, distance=1.2, tilt=0.2, grey=True),
}
WORLDS = (*SCENES, *GAMES)


def smooth_walk(rng: np.random.Generator, steps: int, dimensions: int, knots: int) -> Array:
    """Return a smooth path through random points in [-1, 1], shape (steps, dimensions)."""
    points = rng.uniform(-1, 1, (knots, dimensions))
    at = np.linspace(0, knots - 1, steps)
    low = np.minimum(at.astype(int), knots - 2)
    t = (at - low)[:, None]
    t = t * t * (3 - 2 * t)
    return points[low] * (1 - t) + points[low + 1] * t


def background(rng: np.random.Generator, pool: list[Array], steps: int) -> Array:
    """Return a crop that wanders over one photograph and, half-way, fades into another."""
    chosen = [pool[i] for i in rng.permutation(len(pool))[:2]]
    paths = [smooth_walk(rng, steps, 3, 4) for _ in chosen]
    frames = np.zeros((steps, RENDERED, RENDERED, 3), np.float32)
    for step in range(steps):
        later = np.clip((step - steps * 0.45) / (steps * 0.1), 0, 1)
        for image, path, share in zip(chosen, paths, (1 - later, later), strict=True):
            if share:
                side = int(230 + 70 * path[step, 2])
                top, left = ((image.shape[i] - side) * (path[step, i] + 1) / 2 for i in (0, 1))
                crop = image[int(top) : int(top) + side, int(left) : int(left) + side]
                frames[step] += share * cv2.resize(crop, (RENDERED, RENDERED), interpolation=cv2.INTER_AREA)
    return frames


def photograph(name: str) -> Array:
    """Return one of scikit-image's pictures, 384 pixels on its shorter side."""
    import skimage.data
    import skimage.io

    image = skimage.io.imread(Path(skimage.data.__file__).parent / name)
    image = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image[..., :3]
    scale = 384 / min(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def rendered(p: Any, path: str, scene: Scene, rng: np.random.Generator, pool: list[Array]) -> Iterator[Array]:
    """Yield the frames of one object."""
    body = p.loadURDF(path)
    low, high = (np.array(corner) for corner in p.getAABB(body))
    centre, size = (low + high) / 2, float(np.linalg.norm(high - low))
    yaw, turn = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1]) * rng.uniform(1.0, 2.0) * 2 * np.pi
    walk = smooth_walk(rng, PER_OBJECT, 5, 5)  # tilt, roll, x, y, distance
    light = rng.normal(size=3)
    light[2] = abs(light[2]) + 0.5
    light *= 2 / np.linalg.norm(light)
    tint, ambient, diffuse = rng.uniform(0.8, 1, 3), rng.uniform(0.35, 0.65), rng.uniform(0.4, 0.8)
    drift, behind = smooth_walk(rng, PER_OBJECT, 3, 4), background(rng, pool, PER_OBJECT)
    projection = p.computeProjectionMatrixFOV(35, 1, 0.01, 5)
    for step in range(PER_OBJECT):
        angles = [scene.tilt * walk[step, 0], scene.tilt * walk[step, 1], yaw + turn * step / PER_OBJECT]
        turned = p.getQuaternionFromEuler(angles)
        p.resetBasePositionAndOrientation(body, p.rotateVector(turned, (-centre).tolist()), turned)
        distance = size * (scene.distance + 0.3 * walk[step, 4])
        pan, lift = (0.15 * 0.63 * distance * walk[step, i] for i in (2, 3))
        view = p.computeViewMatrix([distance, pan, 0.35 * distance + lift], [0, pan, lift], [0, 0, 1])
        lit = {"lightDirection": (light + 0.3 * drift[step]).tolist(), "lightColor": tint.tolist()}
        shade = {"lightAmbientCoeff": ambient, "lightDiffuseCoeff": diffuse, "lightSpecularCoeff": 0.1, "shadow": 0}
        found = p.getCameraImage(RENDERED, RENDERED, view, projection, **lit, **shade, renderer=p.ER_TINY_RENDERER)
        picture, mask = (np.asarray(part).reshape(RENDERED, RENDERED, -1) for part in (found[2], found[4]))
        frame = np.where(mask >= 0, picture[..., :3].astype(np.float32), behind[step] * tint)
        if scene.grey:
            frame = frame.mean(axis=2, keepdims=True).repeat(3, axis=2)
        noise = rng.normal(0, 2, (SIDE, SIDE, 3))
        yield (
            (cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) + noise)
            .round()
            .clip(0, 255)
            .astype(np.uint8)
        )
    p.removeBody(body)


def turning_objects(scene: Scene) -> dict[str, Array]:
    """Return the frames and the object of each; the last of three sessions is the test's."""
    import pybullet as p
    import pybullet_data

    folder = Path(pybullet_data.getDataPath()) / "random_urdfs"
    names = sorted(path.name for path in folder.iterdir() if path.name.isdigit())
    names = [names[i] for i in np.random.default_rng(0).permutation(len(names))[scene.group * OBJECTS :][:OBJECTS]]
    client = p.connect(p.DIRECT)
    sessions = []
    for session, photographs in enumerate(BACKGROUNDS):
        rng, pool = np.random.default_rng(100 + 10 * scene.group + session), [photograph(name) for name in photographs]
        order = rng.permutation(OBJECTS)
        paths = [str(folder / names[label] / f"{names[label]}.urdf") for label in order]
        frames = np.stack([frame for path in paths for frame in rendered(p, path, scene, rng, pool)])
        sessions.append((frames, np.repeat(order, PER_OBJECT)[:, None]))
    p.disconnect(client)
    (first, second, (test, test_y)) = sessions
    train, y = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    return {"train": train, "train_y": y, "test": test, "test_y": test_y}


def play(game: str, steps: int) -> Iterator[tuple[Array, Array, int]]:
    """Yield frame, memory and episode; each action is kept with a probability, and the console is sticky too."""
    import ale_py
    import ale_py.roms

    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", 1)
    ale.setFloat("repeat_action_probability", 0.25)
    ale.loadROM(ale_py.roms.get_rom_path(game))
    rng, actions, episode = np.random.default_rng(1), ale.getMinimalActionSet(), 0
    action = actions[0]
    for _ in range(steps):
        if ale.game_over():
            ale.reset_game()
            episode += 1
        if rng.random() > KEPT_ACTION:
            action = actions[rng.integers(len(actions))]
        shown = []
        for _ in range(FRAME_SKIP):
            ale.act(action)
            shown.append(ale.getScreenRGB())
        yield np.maximum(*shown[-2:]), ale.getRAM(), episode  # objects flicker from one frame to the next


def atari(game: str) -> dict[str, Array]:
    """Return the frames of a game, and what its memory says, in classes of about equal size."""
    played = list(play(game, TRAINED + TESTED + 6000))
    frames = np.stack([cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame, _, _ in played])
    memory, episodes = np.stack([ram for _, ram, _ in played]), np.array([episode for *_, episode in played])
    later = np.flatnonzero(episodes > episodes[TRAINED - 1])
    start = int(later[0]) if len(later) and later[0] <= len(frames) - TESTED else len(frames) - TESTED
    labels = []
    for address in GAMES[game].values():
        values = memory[:, address].astype(int)
        edges = np.unique(np.quantile(values[:TRAINED], np.arange(1, BINS) / BINS))
        labels.append(np.unique(np.searchsorted(edges, values, side="right"), return_inverse=True)[1])
    y, test = np.stack(labels, 1), slice(start, start + TESTED)
    return {"train": frames[:TRAINED], "train_y": y[:TRAINED], "test": frames[test], "test_y": y[test]}


def main() -> None:
    """Make the worlds that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("worlds", nargs="*", default=WORLDS, metavar="WORLD", help=f"of {', '.join(WORLDS)}")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.worlds:
        world = turning_objects(SCENES[name]) if name in SCENES else atari(name)
        np.savez_compressed(options.folder / f"{name}.npz", **world)
        print(
            f"{options.folder / name}.npz: {len(world['train']):,} frames to learn from, {len(world['test']):,} to test"
        )


if __name__ == "__main__":
    main()
