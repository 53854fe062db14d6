"""Training on a processor with the allocator of glibc and with jemalloc or tcmalloc, preloaded.

    python benchmarks/bench_allocator.py

Each row is one process: the compact encoder learns on 16 exams of 832 x 512 pixels, in bfloat16,
on one thread. glibc returns the memory of every step to the system, and the system clears it again
for the next step. A library that is not installed is left out.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from ctypes.util import find_library

STEPS, EXAMS = 4, 16
ALLOCATORS = {
    "glibc": ("", {}),
    "jemalloc": ("jemalloc", {"MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}),
    "tcmalloc": ("tcmalloc_minimal", {"TCMALLOC_RELEASE_RATE": "0"}),
}


def train() -> None:
    """Print the processor seconds of the steps after the first, of the program and the system."""
    import torch

    from mammorisk.networks.encoders import Compact

    torch.set_num_threads(1)
    network = Compact().to(memory_format=torch.channels_last).train()
    pixels = torch.rand(4 * EXAMS, 1, 832, 512).to(memory_format=torch.channels_last)
    start = resource.getrusage(resource.RUSAGE_SELF)
    for step in range(STEPS + 1):
        if step == 1:
            start = resource.getrusage(resource.RUSAGE_SELF)
        with torch.autocast("cpu", torch.bfloat16):
            network(pixels).float().sum().backward()
    end = resource.getrusage(resource.RUSAGE_SELF)
    print(end.ru_utime - start.ru_utime, end.ru_stime - start.ru_stime, end.ru_maxrss)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", action="store_true", help="train in this process")
    if parser.parse_args().one:
        train()
        return
    print("| allocator | ms an exam, program | ms an exam, system | peak memory, GB |")
    print("| --- | --- | --- | --- |")
    for name, (library, settings) in ALLOCATORS.items():
        file = find_library(library) if library else ""
        if file is None:
            continue
        environment = os.environ | settings | {"LD_PRELOAD": file}
        ran = subprocess.run(
            [sys.executable, __file__, "--one"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        user, system, peak = map(float, ran.stdout.split())
        each = 1000 / (STEPS * EXAMS)
        print(f"| {name} | {user * each:.0f} | {system * each:.0f} | {peak / 2**20:.1f} |")


if __name__ == "__main__":
    main()
