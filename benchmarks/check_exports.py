"""Check results as DICOM SR, DICOM PDF, FHIR, PDF and HTML of 100 simulated exams.

    python benchmarks/check_exports.py [--exams 100] [--orthanc]

Needs mammorisk[clinic,networks], dcmtk (dsrdump, dsr2html), dicom3tools (dciodvfy) and poppler
(pdftotext). With --orthanc, a server with its DICOMweb plugin is started on this machine and stores
the structured reports. Exits with 1 if a check fails.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from checks import check, failures

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mammorisk as mr
from tests.service.orthanc import orthanc

CANARY = "KANARIENVOGEL"
BIRTH = "19571231"


def output(*command: str | Path) -> str:
    """Standard output and error of a program."""
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def mark_identity(folder: Path) -> None:
    """Put an identity into the headers and the names of the files of an exam."""
    for i, file in enumerate(sorted(folder.glob("*.dcm"))):
        dataset = pydicom.dcmread(file)
        dataset.PatientName, dataset.PatientID = f"{CANARY}^Name", f"{CANARY}{folder.name}"
        dataset.PatientBirthDate, dataset.AccessionNumber = BIRTH, CANARY
        dataset.InstitutionName = dataset.StudyDescription = dataset.PatientComments = CANARY
        dataset.ReferringPhysicianName = dataset.OperatorsName = f"{CANARY}^Other"
        dataset.save_as(folder / f"{CANARY}_{i}.dcm")
        file.unlink()


def predictions(folder: Path, n: int) -> Iterator[mr.Prediction]:
    """Predictions of simulated exams with an identity in their headers and names."""
    study = mr.simulate(30 * n, seed=16, out=folder, images=n, pixel_mm=2.0, prior_share=0)
    exams = study.cohort.exams
    for i in range(n):
        place = folder / str(exams["path"].iloc[i])
        mark_identity(place)
        age = float(exams["age"].iloc[i])
        woman = mr.Questionnaire(age=age, race_ethnicity="white", first_degree_relatives=i % 3)
        model = "hybrid" if i % 4 == 0 else "bcsc-2008"
        found = mr.predict(place, woman, model=model)
        if found.has_risk:
            yield found


def digits_of(found: mr.Prediction) -> dict[str, str]:
    return {f"{year:g}": f"{100 * risk:.2f}" for year, risk in found.risk.items()}


def write_all(found: mr.Prediction, out: Path, name: str) -> float:
    """Write every format, and return the processor time in seconds."""
    start = time.process_time()
    found.to_sr(out / f"{name}.sr.dcm")
    found.to_pdf(out / f"{name}.pdf.dcm")
    found.to_pdf(out / f"{name}.pdf")
    found.to_fhir(out / f"{name}.json")
    found.to_html(out / f"{name}.html")
    return time.process_time() - start


def check_formats(found: mr.Prediction, out: Path, name: str) -> dict[str, bool]:
    """Whether each format has every horizon with the same digits."""
    wanted = digits_of(found)
    dump = output("dsrdump", "+Pl", out / f"{name}.sr.dcm")
    output("dsr2html", out / f"{name}.sr.dcm", out / f"{name}.sr.html")
    rendered = html.unescape(re.sub(r"<[^>]*>", " ", (out / f"{name}.sr.html").read_text()))
    page = (out / f"{name}.html").read_text()
    row = re.search(rf"<b>{found.model}</b></th>(.*?)</tr>", page)
    text = output("pdftotext", "-layout", out / f"{name}.pdf", "-")
    raw = (out / f"{name}.json").read_text()
    plain = " ".join(rendered.split())
    return {
        "dsrdump": all(
            re.search(rf'"{year}-year absolute risk of [a-z ]+"\)="{value}"', dump)
            for year, value in wanted.items()
        ),
        "dsr2html": all(
            re.search(rf"{year}-year absolute risk of [a-z ]+: {value} %", plain)
            for year, value in wanted.items()
        ),
        "fhir": re.findall(r'"probabilityDecimal": ([\d.]+)', raw) == list(wanted.values()),
        "html": row is not None and re.findall(r">([\d.]+)%<", row[1]) == list(wanted.values()),
        "pdf": all(
            re.search(rf"^\s*{year} years?\s+{value}%", text, re.MULTILINE)
            for year, value in wanted.items()
        ),
        "pdf has one page": "Pages:           1\n" in output("pdfinfo", out / f"{name}.pdf"),
        "pdf has A4": "(A4)" in output("pdfinfo", out / f"{name}.pdf"),
        "no canary in the pdf": CANARY not in text,
    }


def leaks(out: Path) -> list[str]:
    """Files that contain the identity."""
    return [
        file.name
        for file in out.iterdir()
        if CANARY.encode() in file.read_bytes() or BIRTH.encode() in file.read_bytes()
    ]


def check_storage(out: Path, folder: Path) -> None:
    """Store the reports by STOW-RS, twice, and compare what the server returns."""
    files = sorted(out.glob("*.sr.dcm"))
    with orthanc(folder / "orthanc", {"DicomServerEnabled": False}) as server:
        ask = server.ask
        for file in [*files, files[0]]:
            body = (
                b"--x\r\nContent-Type: application/dicom\r\n\r\n" + file.read_bytes() + b"\r\n--x--"
            )
            kind = 'multipart/related; type="application/dicom"; boundary=x'
            ask("/dicom-web/studies", body, Content_Type=kind, Accept="application/dicom+json")
        stored = json.loads(ask("/instances"))
        check("STOW: the same exam twice is one instance", len(stored) == len(files))
        equal = 0
        for one in stored:
            content = ask(f"/instances/{one}/file")
            equal += any(content == file.read_bytes() for file in files)
        check("STOW: reads back equal", equal == len(files), f"{equal} of {len(files)}")
        found = json.loads(ask("/dicom-web/instances?Modality=SR&limit=1000"))
        check("QIDO finds the reports", len(found) == len(files), f"{len(found)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=int, default=100)
    parser.add_argument("--orthanc", action="store_true", help="also store reports in Orthanc")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        out.mkdir()
        seconds, bad, errors, n = [], [], [], 0
        for found in predictions(Path(place) / "study", asked.exams):
            name = f"{n:03d}"
            seconds.append(write_all(found, out, name))
            bad += [
                f"{name} {what}" for what, ok in check_formats(found, out, name).items() if not ok
            ]
            for file in (out / f"{name}.sr.dcm", out / f"{name}.pdf.dcm"):
                told = output("dciodvfy", file)
                errors += [line for line in told.splitlines() if line.startswith("Error")]
            if n == 0:
                before = (out / "000.sr.dcm").read_bytes()
                found.to_sr(out / "000.sr.dcm")
                check(
                    "written again: the bytes are kept", before == (out / "000.sr.dcm").read_bytes()
                )
            n += 1
        uids = {
            str(pydicom.dcmread(file).SOPInstanceUID)
            for file in out.iterdir()
            if file.name.endswith(".dcm")
        }
        check("documents have UIDs of their own", len(uids) == 2 * n, f"{len(uids)}")
        check(f"dciodvfy: no error in {2 * n} documents", not errors, "; ".join(set(errors)))
        check(
            f"every horizon, the same digits in all formats, {n} exams", not bad, ", ".join(bad[:5])
        )
        check("no identity in any file", not leaks(out), ", ".join(leaks(out)))
        # The first one loads the libraries.
        median, most = np.median(seconds[1:]), np.max(seconds[1:])
        check(
            "less than 0.3 s of processor time for all formats",
            bool(median < 0.3),
            f"median {median:.3f} s, maximum {most:.3f} s, first {seconds[0]:.2f} s",
        )
        if asked.orthanc:
            check_storage(out, Path(place))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
