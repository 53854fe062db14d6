"""Distribute the parts of an archive over the workers of a Ray cluster, with Ray Data."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mammorisk._utils.parallel import usable_cores
from mammorisk.errors import BackendError

#: Writes the rows of one part to its file unless the file exists; sent to the workers.
WritePart = Callable[[Path, range], None]


class _Worker:
    """A process of the cluster. It loads its own copy of the model once."""

    def __init__(self, write: WritePart) -> None:
        import torch

        # Ray gives a worker one core: for the network, and for callers of usable_cores.
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"
        self.write = write

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for file, start, stop in zip(batch["file"], batch["start"], batch["stop"], strict=True):
            self.write(Path(str(file)), range(int(start), int(stop)))
        return {"exams": batch["stop"] - batch["start"]}


def run_on_ray(
    write: WritePart,
    parts: list[tuple[Path, range]],
    on_part: Callable[[int], None],
    *,
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Write parts on a Ray cluster. If a worker dies, it is replaced and its part is repeated.

    Parameters
    ----------
    write : callable
    parts : list of (Path, range)
    on_part : callable
        Called with the number of exams of each finished part.
    workers : int, optional
        Number of workers. The default is one per core of the cluster.
    address : str, optional
        Address of a running cluster. By default a cluster is started on this machine and stopped
        at the end.

    Raises
    ------
    BackendError
        Ray is not installed, or a part failed repeatedly.
    """
    if not parts:
        return
    if find_spec("ray") is None:
        raise BackendError(
            "Ray is not installed", remedy='pip install "mammorisk[ray]", or engine="local".'
        )
    import ray
    import ray.data

    begun = not ray.is_initialized()
    if begun:
        own: dict[str, Any] = {} if address else {"num_cpus": workers or usable_cores()}
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **own,
        )
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # Ray logs its own paths on every run; on_part reports the progress.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        resources: Callable[[], dict[str, float]] = ray.cluster_resources
        most = workers or max(int(resources().get("CPU", 1)), 1)
        items = [
            {"file": str(file.absolute()), "start": rows.start, "stop": rows.stop}
            for file, rows in parts
        ]
        done = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            _Worker,
            batch_size=1,
            # At least one, since a cluster may grow, or have fewer free cores than cores.
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(items))),
            num_cpus=1,
            fn_constructor_args=(write,),
        )
        for batch in done.iter_batches(batch_size=1, prefetch_batches=0):
            on_part(int(batch["exams"].sum()))
    except ray.exceptions.RayError as error:
        raise BackendError(
            f"Ray stopped ({type(error).__name__})",
            remedy="See Ray's logs; the same call resumes with the parts that are missing.",
        ) from None
    finally:
        if begun:
            ray.shutdown()
