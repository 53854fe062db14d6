"""Draw the page of a monitor of made exams, as the picture of docs/how-to/monitor.md shows it.

Run: python benchmarks/monitor_picture.py FOLDER

It writes monitor.html into the folder. The picture is the figure of that page.
"""

from __future__ import annotations

import argparse
import base64
import math
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import mammorisk as mr
from tests.monitoring.made_log import PRISTINA, canary, made_facts, write_log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(4)
    first = made_facts(rng, 900)
    # A new device stands beside the first, which gets new software with other risks.
    new = made_facts(rng, 350, **PRISTINA, anode_filter="rhodium/silver")
    shifted = made_facts(rng, 350, software="2.0.1", log_risk=lambda risk: risk + math.log(1.22))
    both = [one for pair in zip(new, shifted, strict=True) for one in pair]
    with TemporaryDirectory() as made:
        queue = write_log(Path(made) / "queue", [*first, *both], a_day=20, canaries=[canary()] * 80)
        report = mr.monitor(queue)
    page = report.to_html(folder / "monitor.html").read_text(encoding="utf-8")
    found = re.search(r"data:image/png;base64,([^']+)", page)
    if found is None:
        raise SystemExit("the page has no figure")
    (folder / "monitor.png").write_bytes(base64.b64decode(found[1]))
    print(report)


if __name__ == "__main__":
    main()
