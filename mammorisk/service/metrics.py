"""ServiceMetrics: numbers about the server in the text format of Prometheus."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

from mammorisk.service.job_queue import JobQueue, State

if TYPE_CHECKING:
    from mammorisk.service.dicom_receiver import DicomReceiver
    from mammorisk.service.received import ReceivedImages
    from mammorisk.service.scorer_process import ScorerProcess
    from mammorisk.service.sender import Sender


class ServiceMetrics:
    """Collects the metrics when they are asked for. No label has an identifier.

    Parameters
    ----------
    queue, images, sender, scorer, receiver
        The parts of the server.
    """

    def __init__(
        self,
        *,
        queue: JobQueue,
        images: ReceivedImages,
        sender: Sender,
        scorer: ScorerProcess,
        receiver: DicomReceiver,
    ) -> None:
        from prometheus_client import CollectorRegistry

        self._queue = queue
        self._images = images
        self._sender = sender
        self._scorer = scorer
        self._receiver = receiver
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all metrics as text."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def collect(self) -> Iterable[Any]:
        """Return the metrics, as a collector of prometheus_client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        received = CounterMetricFamily(
            "mammorisk_objects_received", "DICOM objects by what became of them", labels=["outcome"]
        )
        for outcome, number in sorted(self._images.outcomes.items()):
            received.add_metric([outcome], number)
        jobs = GaugeMetricFamily("mammorisk_jobs", "Exams in the queue", labels=["state"])
        counts = self._queue.counts()
        for state in get_args(State):
            jobs.add_metric([state], counts.get(state, 0))
        sent = GaugeMetricFamily(
            "mammorisk_deliveries", "Results for each destination", labels=["state"]
        )
        for state, number in sorted(self._sender.counts().items()):
            sent.add_metric([state], number)
        yield received
        yield jobs
        yield sent
        yield CounterMetricFamily(
            "mammorisk_associations_refused",
            "DICOM associations that were refused",
            value=self._receiver.refused,
        )
        yield CounterMetricFamily(
            "mammorisk_scorer_starts",
            "Starts of the scoring process; more than one after a crash or a limit",
            value=self._scorer.starts,
        )
        yield GaugeMetricFamily(
            "mammorisk_free_bytes",
            "Free space on the disk of the images",
            value=shutil.disk_usage(self._images.folder).free,
        )
