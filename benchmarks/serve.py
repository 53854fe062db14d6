"""Measure `mammorisk serve`: reception, time to the report, exams an hour, kills, memory.

    python benchmarks/serve.py [--exams 20] [--kills 8] [--small 300] [--received 2000]

Needs mammorisk[clinic,networks] and storescu of dcmtk. The server runs as a user starts it, with
--model if given; the archive is a storage server in this process, and the scanner is storescu. All
of them share the processors of this machine: run it on one that does nothing else. Exams are copies
of a simulated one with their own UIDs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mammorisk as mr
from mammorisk.cli.common import stop_signals
from mammorisk.service.serve import Server
from mammorisk.service.serve_options import ServeOptions
from tests.service import scorers
from tests.service.orthanc import STORESCU, free_port

MB = 2**20


class Archive:
    """A storage server that notes when a report arrives, by study."""

    def __init__(self) -> None:
        from pynetdicom import AE, evt
        from pynetdicom.sop_class import ComprehensiveSRStorage  # type: ignore[attr-defined]

        self.arrived: dict[str, float] = {}
        self._changed = threading.Condition()
        entity = AE("ARCHIVE")
        entity.add_supported_context(ComprehensiveSRStorage)
        self._server = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        self.port = self._server.server_address[1]

    def _store(self, event) -> int:
        with self._changed:
            self.arrived[str(event.dataset.StudyInstanceUID)] = time.monotonic()
            self._changed.notify_all()
        return 0

    def wait(self, number: int, seconds: float) -> None:
        """Wait until so many reports have arrived."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.arrived) >= number, seconds):
                raise TimeoutError(f"{len(self.arrived)} of {number} reports after {seconds} s")

    def missing(self, studies: list[str], seconds: float) -> list[str]:
        """Wait for the reports of studies. Return those that have none."""
        with self._changed:
            self._changed.wait_for(lambda: set(studies) <= set(self.arrived), seconds)
            return [study for study in studies if study not in self.arrived]


class Serve:
    """A server that was started, and its processes."""

    def __init__(self, process: subprocess.Popen[bytes], dicom: int, web: int) -> None:
        self.process, self.dicom, self.web = process, dicom, web

    def ask(self, path: str) -> str:
        """Answer of the HTTP interface."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=30) as answer:
            return str(answer.read().decode())

    def done(self) -> int:
        """Number of jobs that are done."""
        (line,) = [
            one
            for one in self.ask("/metrics").splitlines()
            if one.startswith('mammorisk_jobs{state="done"}')
        ]
        return round(float(line.split()[1]))

    def memory(self, field: str = "VmHWM") -> tuple[float, float]:
        """Memory of the server, and of its scoring process, in MB: the peak, or VmRSS for now."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        everyone = [self.process.pid, *map(int, children.split())]
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            everyone += map(int, (task / "children").read_text().split())
        found = {one: _memory(one, field) for one in dict.fromkeys(everyone)}
        server = found.pop(self.process.pid)
        return server, max(found.values(), default=0)


def _memory(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def run_without_model(folder: Path, dicom: int, web: int) -> None:
    """Run a server whose scorer takes no time."""
    options = ServeOptions(folder=folder, senders=["SCANNER"], dicom_port=dicom, http_port=web)
    with Server(options, scorers.counting) as server:
        server.wait(stop_signals())


@contextmanager
def serve_without_model(folder: Path) -> Iterator[Serve]:
    """Start such a server and wait until it listens."""
    dicom, web = free_port(), free_port()
    with started([sys.executable, __file__, "--run", folder, dicom, web], dicom, web) as server:
        yield server


@contextmanager
def serve(folder: Path, archive: Archive | None, model: str | None) -> Iterator[Serve]:
    """Start the server as a user does and wait until it listens."""
    dicom, web = free_port(), free_port()
    command = [sys.executable, "-c", "from mammorisk.cli.app import main; main()", "serve"]
    command += [str(folder), "--sender", "SCANNER", "--quiet", "86400", "--formats", "sr"]
    command += ["--dicom-port", str(dicom), "--http-port", str(web)]
    if archive is not None:
        command += ["--send-to", f"ARCHIVE@127.0.0.1:{archive.port}"]
    if model is not None:
        command += ["--model", model]
    with started(command, dicom, web) as server:
        yield server


@contextmanager
def started(command: list[object], dicom: int, web: int) -> Iterator[Serve]:
    """Start a process and wait until it listens."""
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.DEVNULL)
    server = Serve(process, dicom, web)
    try:
        for _ in range(1200):
            try:
                server.ask("/healthz")
                break
            except OSError:
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


def copies(exam: Path, folder: Path, number: int, views: int = 4) -> list[tuple[str, list[Path]]]:
    """Copies of an exam with UIDs of their own, and a pixel that differs."""
    images = [pydicom.dcmread(file) for file in sorted(exam.glob("*.dcm"))[:views]]
    made = []
    for i in range(number):
        study, files = generate_uid(), []
        for k, image in enumerate(images):
            image.StudyInstanceUID, image.SOPInstanceUID = study, generate_uid()
            image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
            pixels = np.frombuffer(image.PixelData, "<u2").copy()
            pixels[0] = i % 2
            image.PixelData = pixels.tobytes()
            file = folder / f"{i}" / f"{k}.dcm"
            file.parent.mkdir(parents=True, exist_ok=True)
            image.save_as(file)
            files.append(file)
        made.append((study, files))
    return made


def send(port: int, files: list[Path]) -> subprocess.Popen[bytes]:
    """Start storescu in one association."""
    call = [STORESCU, "-aet", "SCANNER", "-aec", "MAMMORISK", "127.0.0.1", str(port), *files]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([str(word) for word in call], **quiet)


def told(name: str, value: str, wanted: str = "") -> None:
    print(f"| {name} | {value} | {wanted} |", flush=True)


def check_reception(exam: Path, folder: Path, associations: int) -> None:
    """MB/s, on disk and in the queue. Three views: nothing is scored meanwhile."""
    sets = copies(exam, folder / "sent", 4 * associations, views=3)
    size = sum(file.stat().st_size for _, files in sets for file in files)
    with serve(folder / "server", None, "bcsc-2008") as server:
        start = time.monotonic()
        running = [
            send(server.dicom, [file for _, files in sets[i::associations] for file in files])
            for i in range(associations)
        ]
        codes = [one.wait() for one in running]
        seconds = time.monotonic() - start
        peak, _ = server.memory()
    if any(codes):
        raise RuntimeError("storescu failed")
    rate = f"{size / MB / seconds:.0f} MB/s ({size / MB:.0f} MB in {seconds:.1f} s)"
    told(f"reception, {associations} associations", rate, "50 MB/s")
    told("memory of the server meanwhile", f"{peak:.0f} MB", "400 MB")
    shutil.rmtree(folder)


def check_scoring(exam: Path, folder: Path, number: int, model: str | None) -> None:
    """Seconds from the last image to the report in the archive, and exams an hour."""
    archive = Archive()
    sets = copies(exam, folder / "sent", number + 5)
    with serve(folder / "server", archive, model) as server:
        seconds = []
        for i, (study, files) in enumerate(sets[:5]):
            if send(server.dicom, files).wait():
                raise RuntimeError("storescu failed")
            stored = time.monotonic()
            archive.wait(i + 1, 300)
            seconds.append(archive.arrived[study] - stored)
        start = time.monotonic()
        for _, files in sets[5:]:
            if send(server.dicom, files).wait():
                raise RuntimeError("storescu failed")
        archive.wait(len(sets), 60 * number)
        hour = 3600 * number / (time.monotonic() - start)
        peak, worker = server.memory()
    late = f"{np.median(seconds):.1f} s, at most {max(seconds):.1f} s of 5"
    told("last image to report in the archive", late, "10 s")
    told(f"exams an hour, from {number}", f"{hour:.0f}", "1,500")
    told("memory of the server", f"{peak:.0f} MB", "400 MB")
    told("memory of the scoring process", f"{worker:.0f} MB", "1,200 MB")
    shutil.rmtree(folder)


def check_kills(exam: Path, folder: Path, number: int) -> None:
    """Kill the server while it receives and scores. Every exam it confirmed must be reported."""
    archive = Archive()
    confirmed = []
    sets = copies(exam, folder / "sent", 4 * number)
    for i in range(number):
        with serve(folder / "server", archive, "bcsc-2008") as server:
            # Later at each kill: while it receives, queues, scores and sends.
            killer = threading.Timer(0.1 + 0.4 * i, server.process.kill)
            killer.start()
            for study, files in sets[4 * i : 4 * i + 4]:
                if send(server.dicom, files).wait() == 0:
                    confirmed.append(study)
            server.process.wait()
    with serve(folder / "server", archive, "bcsc-2008"):
        lost = archive.missing(confirmed, 300)
    told(f"confirmed exams lost in {number} kills", f"{len(lost)} of {len(confirmed)}", "0")
    shutil.rmtree(folder)
    if lost:
        raise RuntimeError("confirmed exams are lost")


def check_growth(exam: Path, folder: Path, number: int, model: str | None) -> None:
    """Growth of both processes, fitted to the second half of the exams."""
    archive = Archive()
    with serve(folder / "server", archive, model) as server:
        counts, memory = [], []
        step = max(1, number // 20)
        for first in range(0, number, step):
            sets = copies(exam, folder / "sent", min(step, number - first))
            files = [file for _, each in sets for file in each]
            if send(server.dicom, files).wait():
                raise RuntimeError("storescu failed")
            archive.wait(first + len(sets), 600)
            shutil.rmtree(folder / "sent")
            counts.append(first + len(sets))
            memory.append(server.memory("VmRSS"))
    scoring = [worker for _, worker in memory]
    told(f"growth of the scoring process, {number} small exams", slope(counts, scoring), "1 MB")


def check_growth_of_server(exam: Path, folder: Path, number: int) -> None:
    """Growth of the process that receives, with a scorer that takes no time."""
    counts, memory = [], []
    with serve_without_model(folder / "server") as server:
        for first in range(0, number, 100):
            sets = copies(exam, folder / "sent", min(100, number - first))
            for i in range(0, len(sets), 10):
                files = [file for _, each in sets[i : i + 10] for file in each]
                if send(server.dicom, files).wait():
                    raise RuntimeError("storescu failed")
            while server.done() < first + len(sets):
                time.sleep(0.5)
            shutil.rmtree(folder / "sent")
            counts.append(first + len(sets))
            memory.append(server.memory("VmRSS")[0])
    told(f"growth of the server, {number} exams without a model", slope(counts, memory), "1 MB")


def slope(counts: list[int], memory: list[float]) -> str:
    """Growth in the second half, and the memory at the start of each half and at the end."""
    half = len(counts) // 2
    found = 1000 * np.polyfit(counts[half:], memory[half:], 1)[0]
    return (
        f"{found:+.1f} MB in 1,000 exams ({memory[0]:.0f}, {memory[half]:.0f}, "
        f"{memory[-1]:.0f} MB after {counts[0]}, {counts[half]}, {counts[-1]})"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixel-mm", type=float, default=0.1)
    parser.add_argument("--exams", type=int, default=20)
    parser.add_argument("--small", type=int, default=300)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--associations", type=int, default=8)
    parser.add_argument("--received", type=int, default=2000)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--model", help="default: that of the server")
    asked = parser.parse_args()
    if asked.run:
        run_without_model(Path(asked.run[0]), int(asked.run[1]), int(asked.run[2]))
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        exams = {}
        for name, pixel_mm in (("large", asked.pixel_mm), ("small", 1.0)):
            mr.simulate(1, seed=1, out=folder / name, images="all", pixel_mm=pixel_mm)
            exams[name] = min((folder / name / "exams").iterdir())
        image = pydicom.dcmread(next(exams["large"].glob("*.dcm")))
        load = os.getloadavg()[0]
        print(
            f"{os.cpu_count()} processors, load {load:.1f}; images {image.Rows} x {image.Columns}"
        )
        print("\n| what | measured | wanted |\n| --- | --- | --- |")
        check_reception(exams["large"], folder / "reception", asked.associations)
        check_scoring(exams["large"], folder / "scoring", asked.exams, asked.model)
        check_kills(exams["small"], folder / "kills", asked.kills)
        check_growth(exams["small"], folder / "growth", asked.small, asked.model)
        check_growth_of_server(exams["small"], folder / "server", asked.received)
    return 0


if __name__ == "__main__":
    sys.exit(main())
