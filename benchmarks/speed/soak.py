"""Run for a long time: does memory grow, do threads or handles pile up, does learning slow down?"""

import gc
import tempfile
import threading
import time
from pathlib import Path

import psutil

import hebbstream as hs
from benchmarks.core import draw, run, store
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label
from hebbstream.learning import Metrics

SIZE = 16


class Watch(hs.Callback):
    """Notes the process's state every so many samples."""

    def __init__(self, every_samples: int) -> None:
        self.every_samples, self.rows = every_samples, list[store.Result]()
        self._process, self._last = psutil.Process(), time.process_time()

    def on_pause(self, learner: hs.Learner) -> None:
        gc.collect()
        now = time.process_time()
        row = {
            "samples": learner.counters.position,
            "resident_mib": round(self._process.memory_info().rss / 2**20, 2),
            "threads": threading.active_count(),
            "handles": self._process.num_fds(),
            # Of this process, in all its threads: what other programs do to the clock does not matter.
            "cpu_ms_per_sample": round(1e3 * (now - self._last) / self.every_samples, 4),
        }
        self._last = now
        self.rows.append(row)
        print(row, flush=True)


def main() -> None:
    parser = run.arguments("speed/soak", __doc__)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--every", type=int, default=5_000, help="samples between looks")
    parser.add_argument("--video", type=Path, default=CLIP, help="file to loop over (default: the bundled clip)")
    options = run.begin(parser)
    watch = Watch(options.every)
    report = learn(watch, options.video, options.samples)
    print(report)
    result = summary(watch.rows)
    store.write(options.output, {"samples": report.samples, **result, "rows": watch.rows})
    print(result)
    plot(watch.rows, options.output)


def learn(watch: Watch, video: Path, samples: int) -> hs.Report:
    """Learn from a looped video with everything that a long run has."""
    net = hs.SoftHebbNet([hs.LayerSpec(channels=8, pool="max"), hs.LayerSpec(channels=16, pool="max")], 3)
    label = clip_label() if video == CLIP else None
    with (
        tempfile.TemporaryDirectory() as folder,
        open_video(video, size=SIZE, loop=True, label=label) as stream,
    ):
        return hs.learn(
            net,
            stream,
            hs.SoftmaxProbe(),
            limit=samples,
            checkpoint=Path(folder) / "run.safetensors",
            callbacks=[watch, Metrics(Path(folder) / "metrics.jsonl", every_seconds=1)],
            progress=False,
        )


def summary(rows: list[store.Result]) -> store.Result:
    """Compare the end with the beginning."""
    settled = rows[len(rows) // 20 :]  # buffers and allocators fill in the first twentieth
    return {
        "growth_percent": round(100 * (rows[-1]["resident_mib"] / settled[0]["resident_mib"] - 1), 3),
        "threads": sorted({row["threads"] for row in settled}),
        "handles": sorted({row["handles"] for row in settled}),
        "last_over_first_cpu_time": round(_mean(settled[-5:]) / _mean(settled[:5]), 3),
    }


def plot(rows: list[store.Result], path: Path) -> None:
    figure, (memory, speed) = draw.new_figure(2, (9, 3.2))
    samples = [row["samples"] for row in rows]
    memory.plot(samples, [row["resident_mib"] for row in rows])
    memory.set(xlabel="samples", ylabel="resident memory, MiB")
    memory.set_ylim(0, 1.15 * max(row["resident_mib"] for row in rows))
    speed.plot(samples, [row["cpu_ms_per_sample"] for row in rows])
    speed.set(xlabel="samples", ylabel="CPU time of a sample, ms", ylim=(0, None))
    draw.save(figure, path)


def _mean(rows: list[store.Result]) -> float:
    return sum(float(row["cpu_ms_per_sample"]) for row in rows) / len(rows)


if __name__ == "__main__":
    main()
