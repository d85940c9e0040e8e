"""The tables of the studio and those who watch it."""

from pathlib import Path

from benchmarks.core.page import Tables, markdown
from benchmarks.core.store import read


def _studio(results: Path) -> str:
    result = read(results / "speed" / "studio.json")
    found, cores = result["speed"], result["speed"]["measured"]["cores"]
    lower, upper = found["quartiles"]
    without, watched = found["cores_of_other_threads"]
    rows = [
        ["samples learned a second", f"{found['alone_per_second']:.0f}", f"{found['watched_per_second']:.0f}"],
        ["of it, by turns", "1", f"{found['watched_over_alone']:.2f} ({lower:.2f} to {upper:.2f})"],
        ["what the learner computes for a sample", "1", f"{found['learner_cpu_watched_over_alone']:.3f}"],
        ["cores that its other threads take", f"{without:.3f}", f"{watched:.3f}"],
        ["cores that other programs took, up to", *[f"{found['cores_that_others_took']:.1f} of {cores}"] * 2],
    ]
    return markdown(["", "nobody watches", "three viewers"], rows)


def _studio_viewers(results: Path) -> str:
    rows = [
        [
            "as it comes" if row["bytes_per_second"] is None else f"{row['bytes_per_second'] / 1000:.0f} kB/s",
            f"{row['pictures_per_second']:.1f}",
            f"{row['received_per_second'] / 1000:.0f} kB/s",
            f"{row['median_age_seconds']:.2f} s",
            f"{row['oldest_age_seconds']:.2f} s",
        ]
        for row in read(results / "speed" / "studio.json")["speed"]["viewers"]
    ]
    return markdown(["line", "pictures a second", "received", "age when replaced, median", "oldest"], rows)


def _studio_memory(results: Path) -> str:
    rows = read(results / "speed" / "studio.json")["memory"]["rows"][1:]  # buffers fill in the first twentieth
    halves = (rows[: len(rows) // 2], rows[len(rows) // 2 :])
    cells = [
        [f"{half[0]['frames']:,} to {half[-1]['frames']:,}", *(f"{edge(mib):.0f} MiB" for edge in (min, max))]
        for half in halves
        for mib in [[row["resident_mib"] for row in half]]
    ]
    return markdown(["frames", "least", "most"], cells)


STUDIO_TABLES: Tables = {
    "speed/studio": _studio,
    "speed/studio-viewers": _studio_viewers,
    "speed/studio-memory": _studio_memory,
}
