"""A process that learns from a video is killed at random moments; what it goes on to learn is the same, bit for bit."""

import time

import numpy as np
from clips import ramp, write_clip
from forked import processes

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.learning._generations import generations

KILLS = 10
FRAMES = 24


def learn_from(clip, checkpoint, progress=None):
    """Go on from the checkpoint, if there is one, to the end of the clip."""

    def tell(step):
        if progress is not None:
            progress.value = step.index + 1

    callbacks = [tell, hs.Checkpoint(checkpoint, every_samples=3)]
    if generations(checkpoint):
        learner = hs.Learner.load(checkpoint, callbacks=callbacks)
    else:
        net = hs.SoftHebbNet([hs.LayerSpec(channels=4, pool="max"), hs.LayerSpec(channels=8)], 3, seed=1)
        learner = hs.Learner(net, hs.SoftmaxProbe(), callbacks=callbacks)
    with open_video(clip, size=16, label=lambda t: t < 0.6) as frames:
        learner.learn(frames, resume=True, progress=False)


def test_a_run_killed_at_any_moment_and_resumed_is_bit_identical(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", ramp(FRAMES))
    whole = tmp_path / "whole.safetensors"
    learn_from(clip, whole)
    expected = whole.read_bytes()
    generator = np.random.default_rng(0)
    stopped_at = []
    for number in range(KILLS):
        checkpoint = tmp_path / f"{number}.safetensors"
        progress, target = processes.Value("i", 0), generator.integers(0, FRAMES)
        process = processes.Process(target=learn_from, args=(clip, checkpoint, progress))
        process.start()
        while process.is_alive() and progress.value < target:
            time.sleep(1e-4)
        time.sleep(generator.uniform(0, 0.02))  # a frame takes some milliseconds, a checkpoint more
        process.kill()
        process.join()
        found = checkpoint.exists()
        stopped_at.append(hs.Learner.load(checkpoint).counters.position if found else 0)
        learn_from(clip, checkpoint)
        assert checkpoint.read_bytes() == expected, f"kill {number}, after {stopped_at[-1]} frames"
        for path in tmp_path.glob(f"*{number}.safetensors*"):
            path.unlink()
    inside = [position for position in stopped_at if 0 < position < FRAMES]
    assert len(inside) > KILLS / 3, stopped_at  # the moments did fall into learning
