"""Miniature copies of public cohorts: their layout and their traps, with women who do not exist."""

from __future__ import annotations

import csv
import json
import plistlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.factories import breast_pixels, save, write_view
from tests.factories import mammogram as dicom


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], separator: str = ","
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, delimiter=separator)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def small(side: str = "L", view: str = "CC") -> np.ndarray:
    return breast_pixels(side, view, rows=60, columns=48)


def image(path: Path, side: str, view: str, **attributes: Any) -> Path:
    attributes.setdefault("pixels", small(side, view))
    return write_view(path, side, view, **attributes)


# --- CSAW-CC ------------------------------------------------------------------------------------

CSAW_HEADER = (
    *("", "anon_patientid", "anon_filename", "exam_year", "x_age", "x_case", "x_cancer_laterality"),
    *("x_type", "x_lymphnode_met", "rad_timing", "rad_r1", "rad_r2", "rad_recall"),
    *("imagelaterality", "viewposition"),
    *("libra_breastarea", "libra_densearea", "libra_percentdensity"),
)
_SIDES = {"L": "Left", "R": "Right"}


def csaw_rows(
    woman: str, year: int, *, case: int, timing: str = "", number: int = 1, density: float = 25.0
) -> list[list[Any]]:
    rows = []
    for side in "LR":
        for view in ("CC", "MLO"):
            # The date says nothing; the number tells the exams of a woman apart.
            name = f"{woman}_20990909_{side}_{view}_{2 * (year - 2000) + number}.dcm"
            of_case = ("Left", "2.0", "0.0") if case else ("", "", "")
            row = [len(rows), woman, name, year, 2, case, *of_case, timing, 0, 0, "0.0"]
            rows.append([*row, _SIDES[side], view, 100.0, 25.0, density])
    return rows


def csaw_cc(root: Path, images: bool = True) -> Path:
    rows = [
        *csaw_rows("0001", 2010, case=1, timing="3.0"),
        *csaw_rows("0001", 2012, case=1, timing="3.0"),
        *csaw_rows("0001", 2014, case=1, timing="1.0"),
        *csaw_rows("0002", 2013, case=1, timing="3.0"),
        *csaw_rows("0002", 2014, case=1, timing="2.0"),
        *csaw_rows("0003", 2011, case=1, timing="3.0"),
        *csaw_rows("0004", 2009, case=0),
        *csaw_rows("0004", 2013, case=0, density=140.0),
        # Acquired twice: eight images of one exam.
        *csaw_rows("0005", 2012, case=0),
        *csaw_rows("0005", 2012, case=0, number=2),
        *csaw_rows("0006", 2012, case=0, timing="2.0"),
        *csaw_rows("0007", 2012, case=1),
    ]
    write_csv(root / "CSAW-CC_breast_cancer_screening_data.csv", CSAW_HEADER, rows)
    if images:
        for row in rows[:4]:
            side, view = row[13][0], row[14]
            image(root / "part_1" / row[2], side, view, StudyDate="20990909")
    return root


# --- EMBED --------------------------------------------------------------------------------------

EMBED_CLINICAL = (
    *("empi_anon", "acc_anon", "study_date_anon", "desc", "tissueden", "asses", "side", "numfind"),
    *("path_severity", "bside", "procdate_anon", "age_at_study", "GENDER_DESC", "RACE_DESC"),
    *("massshape", "cohort_num"),
)
EMBED_METADATA = (
    *("empi_anon", "acc_anon", "anon_dicom_path", "ImageLateralityFinal", "ViewPosition"),
    *("FinalImageType", "spot_mag", "ROI_coords", "Columns", "PatientOrientation", "KVP"),
)
SCREEN, DIAGNOSTIC = "MG Screening Bilateral", "MG Diagnostic Left w/CAD"
#: 16 digits; one more than 2**53 is no decimal number.
ACC = 1234567890123450


def finding(
    woman: int,
    exam: int,
    date: str,
    desc: str = SCREEN,
    *,
    density: Any = "2.0",
    asses: str = "N",
    side: str = "",
    severity: str = "",
    procedure: str = "",
    gender: str = "Female",
    bside: str = "",
    numfind: int = 1,
    race: str = "African American  or Black",
) -> list[Any]:
    row = [woman, exam, date, desc, density, asses, side, numfind, severity, bside, procedure]
    return [*row, 57.0, gender, race, "", 1]


def embed_images(woman: int, exam: int) -> list[list[Any]]:
    rows = []
    for side, orientation in (("L", "['A', 'R']"), ("R", "['P', 'L']")):
        for view in ("CC", "MLO"):
            # The path of the owner's machine, one level deeper than the description says.
            path = f"/mnt/NAS2/mammo/anon_dicom/cohort_1/{woman}/1.2.{exam}/1.2.3/{side}{view}.dcm"
            roi = "((10, 5, 30, 15),)" if view == "CC" else "()"
            rows.append([woman, exam, path, side, view, "2D", "", roi, 48, orientation, 29])
    return rows


def embed(root: Path, images: bool = True) -> Path:
    a, b, c, d, e, f, g = (ACC + i for i in range(7))
    clinical = [
        # Woman 1: a negative screen, then a screen with two findings, then the pathology on the
        # diagnostic exam alone.
        finding(1, a, "2012-03-01"),
        finding(1, b, "2014-03-01", asses="N", side="R"),
        finding(1, b, "2014-03-01", asses="A", side="L", numfind=2),
        finding(
            1,
            c,
            "2014-03-20",
            DIAGNOSTIC,
            asses="S",
            side="L",
            severity="4",
            procedure="2014-03-25",
        ),
        finding(
            1,
            c,
            "2014-03-20",
            DIAGNOSTIC,
            asses="S",
            side="L",
            severity="1.0",
            bside="L",
            procedure="2014-03-27",
            numfind=2,
        ),
        finding(
            1,
            c,
            "2014-03-20",
            DIAGNOSTIC,
            asses="S",
            side="L",
            severity="0.0",
            bside="L",
            procedure="2014-03-27",
            numfind=3,
        ),
        # After the diagnosis.
        finding(1, d, "2016-03-01"),
        # Woman 2: no cancer; her last exam is a diagnostic one.
        finding(2, e, "2013-01-01", density="", side="B", asses="B"),
        finding(2, f, "2015-01-01", "MG Diagnostic Bilateral"),
        # A man, told by the density code alone, and one told by the gender.
        finding(3, g, "2013-01-01", density="5.0"),
        finding(4, ACC + 8, "2013-01-01", gender="Male", density=""),
        # A cancer without a date.
        finding(5, ACC + 9, "2013-01-01", severity="0.0"),
        # Known cancer without pathology.
        finding(6, ACC + 10, "2013-01-01", asses="K", side="L"),
        # Densities of one exam differ.
        finding(7, ACC + 11, "2013-01-01", density="2.0", race="Asian"),
        finding(7, ACC + 11, "2013-01-01", density="3.0", numfind=2, race="Asian"),
        finding(7, ACC + 12, "2019-01-01", race="Asian"),
    ]
    write_csv(root / "tables" / "EMBED_OpenData_clinical.csv", EMBED_CLINICAL, clinical)
    b_images = embed_images(1, b)
    cview = [*b_images[0]]
    cview[2], cview[5] = cview[2].replace("LCC", "LCC_synthetic"), "cview"
    spot = [*b_images[0]]
    spot[2], spot[6] = spot[2].replace("LCC", "LCC_spot"), "1.0"
    metadata = [
        *embed_images(1, a),
        *b_images,
        cview,
        spot,
        *embed_images(1, c),
        *embed_images(2, e),
        *embed_images(7, ACC + 11),
        *embed_images(7, ACC + 12),
    ]
    write_csv(root / "tables" / "EMBED_OpenData_metadata.csv", EMBED_METADATA, metadata)
    if images:
        for row in [*embed_images(1, a), *b_images, cview, *embed_images(2, e)]:
            inside = str(row[2]).split("anon_dicom/")[1]
            image(root / "images" / inside, row[3], row[4], AccessionNumber=str(row[1]))
    return root


# --- VinDr-Mammo --------------------------------------------------------------------------------

VINDR_HEADER = (
    *("study_id", "series_id", "image_id", "laterality", "view_position", "height", "width"),
    *("breast_birads", "breast_density", "split"),
)
VINDR_FINDINGS = (
    *("study_id", "series_id", "image_id", "laterality", "view_position", "height", "width"),
    *("breast_birads", "breast_density", "finding_categories", "finding_birads"),
    *("xmin", "ymin", "xmax", "ymax", "split"),
)


def vindr_mammo(root: Path, images: bool = True) -> Path:
    rows = []
    for study, left, right, split in (
        ("a" * 32, "DENSITY C", "DENSITY B", "training"),
        ("b" * 32, "DENSITY D", "DENSITY D", "test"),
    ):
        for side, density in (("L", left), ("R", right)):
            for view in ("CC", "MLO"):
                name = f"{study[:8]}{side}{view}".ljust(32, "0")
                birads = "BI-RADS 4" if (side, split) == ("R", "training") else "BI-RADS 1"
                rows.append([study, "c" * 32, name, side, view, 60, 48, birads, density, split])
    write_csv(root / "breast-level_annotations.csv", VINDR_HEADER, rows)
    findings = [
        [
            *rows[2][:9],
            "['Suspicious Calcification', 'Mass']",
            "BI-RADS 4",
            5.5,
            6,
            20,
            30,
            "training",
        ],
        [*rows[0][:9], "['No Finding']", "", "", "", "", "", "training"],
        [*rows[1][:9], "Mass", "BI-RADS 3", 1, 2, 3, 4, "training"],
    ]
    write_csv(root / "finding_annotations.csv", VINDR_FINDINGS, findings)
    if images:
        stripped = dict.fromkeys(
            (
                "KVP",
                "CompressionForce",
                "BodyPartThickness",
                "StudyDate",
                "AcquisitionDate",
                "AcquisitionTime",
                "ExposureInuAs",
                "PatientOrientation",
                "ViewCodeSequence",
            )
        )
        for row in rows:
            data = dicom(
                row[3], row[4], pixels=small(row[3], row[4]), PatientAge="000Y", **stripped
            )
            data.PatientID = ""
            data.StudyInstanceUID, data.SeriesInstanceUID = row[0], row[1]
            data.SOPInstanceUID = row[2]
            path = root / "images" / row[0] / f"{row[2]}.dicom"
            path.parent.mkdir(parents=True, exist_ok=True)
            data.file_meta.MediaStorageSOPClassUID = "1.2.3.4"
            data.file_meta.MediaStorageSOPInstanceUID = row[2]
            save(data, path)
    return root


# --- RSNA 2022 ----------------------------------------------------------------------------------

RSNA_HEADER = (
    *("site_id", "patient_id", "image_id", "laterality", "view", "age", "cancer", "biopsy"),
    *("invasive", "BIRADS", "implant", "density", "machine_id", "difficult_negative_case"),
)


def rsna_2022(root: Path, images: bool = True) -> Path:
    rows = []

    def woman(number: int, site: int, cancer: str, age: str, density: str, birads: str) -> None:
        for i, (side, view) in enumerate((("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))):
            ill = int(side in cancer)
            row = [site, number, number * 1000 + i, side, view, age, ill, ill, ill, birads, 0]
            rows.append([*row, density, 49 if site == 1 else 29, False])

    woman(101, 1, "", "61.0", "B", "1.0")
    woman(102, 1, "L", "89.0", "C", "0.0")
    woman(103, 1, "", "", "D", "2.0")
    woman(201, 2, "", "55.0", "", "")
    woman(202, 2, "R", "58.0", "", "")
    extra = [
        [1, 101, 101_009, "L", view, "61.0", 0, 0, 0, "1.0", 0, "B", 49, False]
        for view in ("AT", "LMO")
    ]
    extra[1][2] = 101_010
    write_csv(root / "train.csv", RSNA_HEADER, [*rows, *extra])
    test = [
        [2, 301, 301_000 + i, side, view, 60, 0, 29, f"301_{side}"]
        for i, (side, view) in enumerate((("L", "CC"), ("R", "CC")))
    ]
    header = (
        "site_id",
        "patient_id",
        "image_id",
        "laterality",
        "view",
        "age",
        "implant",
        "machine_id",
        "prediction_id",
    )
    write_csv(root / "test.csv", header, test)
    if images:
        for row in rows[:8]:
            inverted = {"PhotometricInterpretation": "MONOCHROME1"} if row[1] == 101 else {}
            image(root / "train_images" / str(row[1]) / f"{row[2]}.dcm", row[3], row[4], **inverted)
    return root


# --- CBIS-DDSM ----------------------------------------------------------------------------------

CBIS_MASS = (
    *("patient_id", "breast_density", "left or right breast", "image view", "abnormality id"),
    *("abnormality type", "mass shape", "mass margins", "assessment", "pathology", "subtlety"),
    *("image file path", "cropped image file path", "ROI mask file path"),
)
CBIS_CALC = (
    *("patient_id", "breast density", "left or right breast", "image view", "abnormality id"),
    *("abnormality type", "calc type", "calc distribution", "assessment", "pathology", "subtlety"),
    *("image file path", "cropped image file path", "ROI mask file path"),
)


def _film(path: Path, pixels: np.ndarray, name: str, side: str, view: str) -> None:
    """A digitised film: the patient is a name of its own for each image."""
    none = dict.fromkeys(
        (
            "KVP",
            "CompressionForce",
            "BodyPartThickness",
            "ViewCodeSequence",
            "ImageLaterality",
            "PresentationIntentType",
            "AcquisitionDate",
            "AcquisitionTime",
            "ImagerPixelSpacing",
            "ViewPosition",
            "ExposureInuAs",
            "WindowCenter",
            "WindowWidth",
            "PatientOrientation",
        )
    )
    data = dicom(side, view, pixels=pixels, bits=16, **none)
    data.PatientID = data.PatientName = name
    data.PatientOrientation = [view, ""]
    data.BodyPartExamined = f"{side}EFT BREAST"
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.StudyInstanceUID = f"1.3.{len(name)}.{abs(hash(name)) % 10**8}"
    save(data, path)


def cbis_row(
    woman: str,
    kind: str,
    part: str,
    side: str,
    view: str,
    *,
    number: int = 1,
    uid: str,
    pathology: str = "BENIGN",
    density: int = 2,
    swapped: bool = False,
) -> list[Any]:
    full = f"{kind}-{part}_{woman}_{side}_{view}"
    image_path = f"{full}/1.1.{uid}/1.2.{uid}/000000.dcm"
    crop = f"{full}_{number}/1.3.{uid}/1.4.{uid}/00000{int(swapped)}.dcm"
    mask = f"{full}_{number}/1.3.{uid}/1.4.{uid}/00000{int(not swapped)}.dcm\n"
    return [
        woman,
        density,
        side,
        view,
        number,
        kind.lower(),
        "OVAL",
        "OBSCURED",
        4,
        pathology,
        3,
        image_path,
        crop,
        mask,
    ]


def cbis_ddsm(root: Path, images: bool = True) -> Path:
    """Woman P_00001 is in a training and in a test table; masks and crops are swapped in one."""
    tables = {
        "mass_train": [
            cbis_row("P_00001", "Mass", "Training", "LEFT", "CC", uid="11", pathology="MALIGNANT"),
            cbis_row("P_00002", "Mass", "Training", "RIGHT", "MLO", uid="12", density=0),
            cbis_row("P_00002", "Mass", "Training", "RIGHT", "MLO", uid="12", number=2),
            # Masses of one breast and calcifications of the other one of a woman.
            cbis_row("P_00004", "Mass", "Training", "RIGHT", "CC", uid="17"),
        ],
        "mass_test": [cbis_row("P_00003", "Mass", "Test", "LEFT", "MLO", uid="13", swapped=True)],
        "calc_train": [
            cbis_row(
                "P_00004",
                "Calc",
                "Training",
                "LEFT",
                "CC",
                uid="14",
                pathology="BENIGN_WITHOUT_CALLBACK",
            ),
            cbis_row("P_00004", "Calc", "Training", "LEFT", "MLO", uid="16"),
        ],
        "calc_test": [
            cbis_row(
                "P_00001", "Calc", "Test", "LEFT", "MLO", uid="15", pathology="MALIGNANT", density=4
            )
        ],
    }
    for name, rows in tables.items():
        header = CBIS_MASS if name.startswith("mass") else CBIS_CALC
        write_csv(root / f"{name.replace('_', '_case_description_')}_set.csv", header, rows)
        for row in rows if images else []:
            full, uid = row[11].split("/")[0], row[11].split("/")[2].removeprefix("1.2.")
            side, view = row[2][0], row[3]
            mask, crop = np.zeros((60, 48), np.uint16), small(side, view)[10:30, 10:24]
            mask[20:30, 10:20] = 65535
            _film(
                root / "images" / full / f"1.1.{uid}" / f"1.2.{uid}" / "1-1.dcm",
                small(side, view),
                full,
                side,
                view,
            )
            roi = root / "images" / f"{full}_{row[4]}" / f"1.3.{uid}" / f"1.4.{uid}"
            # The files are the same in all; the tables name them the other way round in one.
            _film(roi / "1-1.dcm", crop, f"{full}_{row[4]}", side, view)
            _film(roi / "1-2.dcm", mask, f"{full}_{row[4]}", side, view)
    return root


# --- INbreast -----------------------------------------------------------------------------------


def inbreast(root: Path, images: bool = True) -> Path:
    """The table has no woman; names of files have. Empty files where images are left out."""
    header = ("Patient ID", "Patient age", "Laterality", "View", "Acquisition date", "File Name")
    header = (*header, "ACR", "Bi-Rads")
    first, second = "0123456789abcdef", "fedcba9876543210"
    views = [("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")]
    rows, files = [], []
    for i, (side, view) in enumerate(views):
        number = 20_000_001 + i
        acr = "3" if side == "L" else "2"
        birads = "4a" if (side, view) == ("R", "CC") else "2"
        rows.append(["removed", "removed", side, view, 201001, number, acr, birads])
        files.append((number, first, side, view))
    rows.append(["removed", "removed", "L", "CC", 201103, 20_000_011, " ", "6"])
    files.append((20_000_011, first, "L", "CC"))
    rows.append(["removed", "removed", "R", "MLO", 201001, 20_000_021, "1", "1"])
    files.append((20_000_021, second, "R", "MLO"))
    # An image that was not downloaded, and what stands below the table.
    rows.append(["removed", "removed", "R", "CC", 201001, 20_000_031, "1", "1"])
    rows.append(["", "", "", "", "", "", "", "410 images"])
    write_csv(root / "INbreast.csv", header, rows, ";")
    for number, woman, side, view in files:
        name = f"{number}_{woman}_MG_{side}_{'ML' if view == 'MLO' else view}_ANON.dcm"
        path = root / "AllDICOMs" / name
        if images:
            image(path, side, view, PatientID="removed")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    xml = root / "AllXML"
    xml.mkdir(parents=True, exist_ok=True)
    outline = {
        "Images": [
            {"ImageIndex": 0, "ROIs": [{"Name": "Mass", "Point_px": ["(10.5, 20.25)", "(11, 21)"]}]}
        ]
    }
    (xml / "20000001.xml").write_bytes(plistlib.dumps(outline))
    (xml / "20000002.xml").write_text("<plist><dict>")
    return root


# --- mini-MIAS ----------------------------------------------------------------------------------


def mini_mias(root: Path, images: bool = True) -> Path:
    lines = [
        "MAMMOGRAPHIC IMAGE ANALYSIS SOCIETY - a list of films",
        "REFNUM BG CLASS SEVERITY X Y RADIUS",
        "mdb001 G CIRC B 535 425 197",
        "mdb002 G NORM",
        # Two rows of one film, and a note in place of coordinates.
        "mdb005 F CIRC M 477 133 30",
        "mdb005 F CALC B 500 168 26",
        "mdb006 F CIRC B *NOTE 3*",
        "mdb007 Q NORM",
        "mdb008 D SPIC",
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "Info.txt").write_bytes("\n".join([*lines, "© the society"]).encode("latin-1"))
    for number in (1, 2, 5, 6) if images else ():
        pixels = breast_pixels("R" if number % 2 else "L", "MLO", rows=64, columns=64, bits=8)
        (root / f"mdb{number:03d}.pgm").write_bytes(b"P5\n64 64\n255\n" + pixels.tobytes())
    return root


# --- NL-Breast-Screening ------------------------------------------------------------------------


def nlbs(root: Path, images: bool = True) -> Path:
    header = ("File Path", "View Position", "Image Laterality", "Cancer", "False Positive", "Age")
    rows = []
    for group, exam, cancer, false_positive in (
        ("abnormal", "000000000001", 1, 0),
        ("normal", "000000000002", 0, 1),
    ):
        for side, folder in (("L", "left"), ("R", "right")):
            for view in ("CC", "MLO"):
                # Folders of one breast are named the wrong way round, as in version 1.
                shown = {"left": "right", "right": "left"}[folder] if exam.endswith("2") else folder
                path = f"images\\{group}\\{exam}\\{shown}\\{view}\\IM-0001.dcm"
                rows.append([path, view, side, cancer, false_positive, 55])
    rows.append(["images\\normal\\other\\left\\CC\\IM-0001.dcm", "CC", "L", 0, 0, 50])
    write_csv(root / "NLBSP-metadata.csv", header, rows)
    for row in rows[:8] if images else []:
        exam = str(row[0]).split("\\")[2]
        image(root / str(row[0]).replace("\\", "/"), row[2], row[1], PatientID=exam)
    return root


# --- CMMD ---------------------------------------------------------------------------------------


def cmmd(root: Path, images: bool = True) -> Path:
    header = ("ID1", "LeftRight", "Age", "number", "abnormality", "classification", "subtype")
    rows = [
        ["D1-0001", "R", 44, 2, "calcification", "Benign", ""],
        ["D2-0002", "L", 61, 2, "both", "Malignant", "Luminal A"],
        ["D2-0002", "R", 61, 2, "mass", "Benign", ""],
        ["D2-0003", "L", 50, 2, "mass", "Malignant", "triple negative"],
        ["D2-0004", "L", 50, 2, "mass", "unclear", ""],
    ]
    root.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=header)
    table.to_excel(root / "CMMD_clinicaldata_revision.xlsx", index=False)
    if images:
        for woman, sides in (("D1-0001", "LR"), ("D2-0002", "LR"), ("D9-0009", "L")):
            for i, (side, view) in enumerate((s, v) for s in sides for v in ("CC", "MLO")):
                path = (
                    root / "manifest" / "CMMD" / woman / "07-18-2010-NA" / "1.0" / f"1-{i + 1}.dcm"
                )
                image(path, side, view, PatientID=woman, ViewPosition=None, PatientAge="044Y")
        (root / "manifest" / "CMMD" / "D1-0001" / "broken.dcm").write_bytes(b"no header")
    return root


# --- BCSC ---------------------------------------------------------------------------------------

BCSC_HEADER = (
    *("year", "age_group_5_years", "race_eth", "first_degree_hx", "age_menarche"),
    *("age_first_birth", "BIRADS_breast_density", "current_hrt", "menopaus", "bmi_group"),
    *("biophx", "breast_cancer_history", "count"),
)


def bcsc_risk_factors(root: Path) -> Path:
    first = [
        [2009, 6, 1, 1, 1, 2, 3, 1, 2, 2, 1, 0, 120],
        # Everything is 9: not known.
        [2009, 6, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 30],
        # Nulliparous; surgical menopause; not a current user may be a former one.
        [2009, 8, 2, 0, 2, 4, 1, 0, 3, 4, 0, 1, 5],
        # First birth at 25 to 29 in the age group 18 to 29.
        [2009, 1, 5, 0, 0, 2, 4, 0, 1, 1, 0, 0, 2],
        [2009, 6, 1, 1, 1, 2, 7, 1, 2, 2, 1, 0, 11],
        [2009, 6, 1, 1, 1, 2, 3, 1, 2, 2, 1, 0, 0],
    ]
    second = [[2015, 7, 6, 0, 1, 1, 2, 0, 2, 3, 0, 0, 40]]
    write_csv(root / "bcsc_risk_factors_summarized1.csv", BCSC_HEADER, first)
    write_csv(root / "bcsc_risk_factors_summarized2.csv", BCSC_HEADER, second)
    return root


def bcsc_risk_estimation(root: Path) -> Path:
    rows = [
        "0  2 3 1 0 2 0 1 0 0 9 9 0 0 1  900",
        "0  2 3 1 0 2 0 1 0 0 9 9 1 1 1    4",
        "1  7 2 1 1 9 2 9 9 9 1 1 0 1 0    2",
        "1 10 9 2 9 9 9 9 9 9 9 9 0 0 0  500",
        "1 10 9 2 9 9 9 9 9 9 9 9 1 0 0    1",
        "1 12 9 2 9 9 9 9 9 9 9 9 0 0 0    1",
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "risk.txt").write_text("\n".join(rows) + "\n")
    return root


# --- OMI-DB -------------------------------------------------------------------------------------


def omi_study(
    root: Path,
    client: str,
    study: str,
    date: str,
    episode: str,
    *,
    suffix: str = ".json",
    images: bool = True,
    raw: bool = False,
) -> dict[str, Any]:
    series: dict[str, Any] = {}
    number = 0
    for side in "LR":
        for view in ("CC", "MLO"):
            for intent in ("FOR PRESENTATION", "FOR PROCESSING") if raw else ("FOR PRESENTATION",):
                number += 1
                name = f"{study}.9.{number}"
                mark = {
                    "MarkID": "1",
                    "X1": "5",
                    "Y1": "6",
                    "X2": "20",
                    "Y2": "30",
                    "Conspicuity": "Obvious",
                }
                series[name] = {"1": mark} if number == 1 else {}
                header = {
                    "00200062": {"vr": "CS", "Value": [side]},
                    "00185101": {"vr": "CS", "Value": [view]},
                    "00080068": {"vr": "CS", "Value": [intent]},
                    "00080032": {"vr": "TM", "Value": [f"12{side}{view}"]},
                }
                path = root / "data" / client / study / f"{name}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(header))
                if images:
                    image(
                        root / "images" / client / study / f"{name}.dcm",
                        side,
                        view,
                        PresentationIntentType=intent,
                        PatientID=client,
                    )
    return {"StudyDate": date, "EpisodeID": episode, f"{study}.9": series}


def _screen(date: str) -> dict[str, Any]:
    return {"L": {"DateTaken": date, "Opinion": "ON"}, "R": {"DateTaken": date}}


def omi_db(root: Path, images: bool = True) -> Path:
    # An interval cancer after a normal screen, in words and with compact dates.
    (root / "data").mkdir(parents=True, exist_ok=True)
    study = {
        name: omi_study(root / "made", client, name, date, episode, **options)
        for name, client, date, episode, options in (
            ("1.1", "optm1", "20120110", "10", {"images": images, "raw": True}),
            ("2.1", "demd2", "2010-02-01", "20", {"images": images, "suffix": ".dcm.json"}),
            ("2.2", "demd2", "2013-02-01", "21", {"images": images}),
            ("2.3", "demd2", "2013-02-20", "21", {"images": False}),
            ("2.4", "demd2", "2016-02-01", "22", {"images": False}),
            ("3.1", "optm3", "2011-01-01", "30", {"images": False}),
        )
    }
    for name in ("data", "images"):
        if (root / "made" / name).exists():
            for path in sorted((root / "made" / name).rglob("*")):
                if path.is_file():
                    target = root / name / path.relative_to(root / "made" / name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.rename(target)
    nbss = {
        "optm1": {
            "10": {
                "EpisodeType": "Routine Recall",
                "SCREENING": _screen("20120110"),
                "EpisodeOpenedDate": "20120101",
            },
            "11": {"EpisodeType": "Interval case", "IntervalCancerDateOfDiagnosis": "20130110"},
        },
        # Normal; malignant with a benign opinion beside it; another exam after it.
        "demd2": {
            "20": {"EpisodeType": "F", "SCREENING": _screen("2010-02-01")},
            "21": {
                "EpisodeType": "R",
                "SCREENING": _screen("2013-02-01"),
                "BIOPSYWIDE": {
                    "left_opinion": "OM",
                    "right_opinion": "OB",
                    "L": {"1": {"DatePerformed": "2013-03-01"}},
                },
                "SURGERY": {
                    "left_opinion": "Malignant",
                    "L": {"1": {"DatePerformed": "2013-04-01"}},
                },
            },
            "22": {"EpisodeType": "R", "SCREENING": _screen("2016-02-01")},
        },
        # An interval case that surgery contradicts is no interval cancer.
        "optm3": {
            "30": {"EpisodeType": "R", "SCREENING": _screen("2011-01-01")},
            "31": {
                "EpisodeType": "CI",
                "SURGERY": {"left_opinion": "ON", "L": {"1": {"DatePerformed": "2012-06-01"}}},
            },
        },
    }
    for client, upper in (("optm1", True), ("demd2", False), ("optm3", False)):
        of_client = {"optm1": ["1.1"], "demd2": ["2.1", "2.2", "2.3", "2.4"], "optm3": ["3.1"]}
        folder = root / "data" / client
        folder.mkdir(parents=True, exist_ok=True)
        studies = {name: study[name] for name in of_client[client]}
        for name, content in (("nbss", nbss[client]), ("imagedb", {"STUDIES": studies})):
            prefix = name.upper() if upper else name
            (folder / f"{prefix}_{client}.json").write_text(json.dumps(content))
    for client in ("optm8", "optm9"):
        (root / "data" / client).mkdir()
    (root / "data" / "optm9" / "nbss_optm9.json").write_text("{ not json")
    return root
