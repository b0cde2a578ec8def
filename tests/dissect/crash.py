"""A dissection in a process of its own, for the tests that kill it: python crash.py STORE DELAY LOG_BYTES -> batches made here."""
from __future__ import annotations

import sys
import time
from pathlib import Path

from core.dissect import dissect, halfway
from core.store import Store
from tests import toys


def main(root: str, delay: float, log_bytes: int) -> None:
    halfway.LOG_BYTES = log_bytes
    batches = 0

    def report(done: int, total: int, note: str = "") -> None:
        nonlocal batches
        batches += 1
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()
        time.sleep(delay)

    dissect(toys.ToyGenerator(), toys.ToySegmenter(), ["layer1"], range(40), level_seeds=range(1000, 1030), grid=(32, 32),
            report=report, store=Store(Path(root), shipped=()))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
