"""What a user would pick instead: MiniRocket of aeon, with its own ridge classifier.

    PYTHON benchmarks/quality/signals/peers.py FOLDER OUTPUT.json

Needs aeon, best in the environment of `make`. Pictures of sound are given as signals of as many channels as bands.
"""

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from aeon.classification.convolution_based import MiniRocketClassifier


def main() -> None:
    folder, output = map(Path, sys.argv[1:])
    rows = []
    for path in sorted(folder.glob("*.npz")):
        found = np.load(path)
        train, test = (found[part].reshape(len(found[part]), -1, found[part].shape[-1]) for part in ("train", "test"))
        model, began = MiniRocketClassifier(random_state=0, n_jobs=1), time.process_time()
        model.fit(train, found["train_y"])
        fitted = time.process_time()
        accuracy = float((model.predict(test) == found["test_y"]).mean())
        rows.append(
            {
                "set": path.stem,
                "accuracy": round(accuracy, 4),
                "cpu_seconds": round(fitted - began, 1),
                "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
        print(rows[-1], flush=True)
    output.write_text(json.dumps({"aeon": version("aeon"), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
