"""Write the page of a monitor of made exams, of which docs/how-to/monitor.md shows a picture.

Run: python benchmarks/monitor_picture.py FOLDER

It writes monitor.html into the folder. docs/images/monitor.png is its upper part, by
chromium --headless --hide-scrollbars --window-size=1000,1070 --screenshot=monitor.png monitor.html
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import mammorisk as mr
from tests.monitoring.made_log import canary, made_facts, write_log

#: Fictitious devices, as in the simulation.
ALDER = {"manufacturer": "alder", "device_model": "A1", "software": "1.9"}
BIRCH = {"manufacturer": "birch", "device_model": "B1", "software": "4.0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(4)
    first = made_facts(rng, 900, **ALDER)
    # A new device stands beside the first, which gets new software with other risks.
    new = made_facts(rng, 350, **BIRCH, anode_filter="rhodium/silver")
    shifted = made_facts(
        rng, 350, **{**ALDER, "software": "2.0"}, log_risk=lambda risk: risk + math.log(1.22)
    )
    both = [one for pair in zip(new, shifted, strict=True) for one in pair]
    with TemporaryDirectory() as made:
        queue = write_log(Path(made) / "queue", [*first, *both], a_day=20, canaries=[canary()] * 80)
        report = mr.monitor(queue)
    report.to_html(folder / "monitor.html")
    print(report)


if __name__ == "__main__":
    main()
