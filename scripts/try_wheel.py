"""Use an installed hebbstream as a newcomer would; fail loudly. Run by scripts/check_release.py, outside the repository."""

import tempfile
from pathlib import Path

import av
import numpy as np

import hebbstream as hs
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label, load_example
from hebbstream.errors import TruncatedVideoError
from hebbstream.export import OnnxExtractor, to_onnx, verify
from hebbstream.rule._fast import reason


def main() -> None:
    assert not reason(), reason()
    folder = Path(tempfile.mkdtemp())
    learner = load_example()
    with open_video(CLIP, size=32, label=clip_label()) as frames:
        samples = [sample for _, sample in zip(range(40), frames, strict=False)]
    right = [learner.probe.predict_one(learner.net.transform_one(sample.x)) == sample.y for sample in samples]
    assert np.mean(right) > 0.5, f"the example is right for {np.mean(right):.0%} of the frames that it learned"

    with open_video(CLIP, size=32, label=clip_label()) as frames:
        learner.learn(frames, limit=20, progress=False)
    learner.save(folder / "run.safetensors")
    again = hs.Learner.load(folder / "run.safetensors")
    features = learner.net.transform_one(samples[0].x)
    assert (again.net.transform_one(samples[0].x) == features).all(), "a checkpoint gives other features"

    model = to_onnx(again.net, folder / "net.onnx", again.probe, input_dtype="uint8", layout="NHWC")
    found = verify(model, [sample.x for sample in samples], again.net, again.probe, seconds=0.1)
    assert found.greatest < 1e-3, f"the model's features differ by {found.greatest}"
    assert OnnxExtractor(model).predict_one(samples[0].x) in again.probe.classes

    try_cut_videos(folder)
    pipeline = SoftHebbTransformer(neurons=10) | LinearProbe()
    pipeline.learn_one({"a": 1.0, "b": 2.0}, "x")
    assert pipeline.predict_one({"a": 1.0, "b": 2.0}) == "x"
    print(f"hebbstream {hs.__version__} works")


def try_cut_videos(folder: Path) -> None:
    """Read half a video; PyAV once ended the process at FLV, and knew no index of an MP4 file."""
    with av.open(str(CLIP)) as source, av.open(str(folder / "clip.flv"), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                target.mux(packet)
    for clip in (Path(CLIP), folder / "clip.flv"):
        cut = folder / f"cut{clip.suffix}"
        cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
        try:
            with open_video(cut, size=32) as frames:
                found = len(list(frames))
        except TruncatedVideoError:
            continue
        raise AssertionError(f"nothing says that {cut.name} was cut, of which {found} frames were read")


if __name__ == "__main__":
    main()
