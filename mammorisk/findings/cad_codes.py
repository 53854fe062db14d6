"""Codes of the Mammography CAD structured report (DICOM PS3.16, TID 4000 and its context groups).

Tests compare them with the dictionary of pydicom, which is generated from PS3.16.
"""

from __future__ import annotations

from mammorisk.findings.content_items import Code


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


def _sct(value: str, meaning: str) -> Code:
    return Code(value, "SCT", meaning)


REPORT = _dcm("111036", "Mammography CAD Report")
LANGUAGE = _dcm("121049", "Language of Content Item and Descendants")
ENGLISH = Code("en", "RFC5646", "English")
IMAGE_LIBRARY = _dcm("111028", "Image Library")
LATERALITY = _dcm("111027", "Image Laterality")
VIEW = _dcm("111031", "Image View")
STUDY_DATE = _dcm("111060", "Study Date")
HORIZONTAL_SPACING = _dcm("111026", "Horizontal Pixel Spacing")
VERTICAL_SPACING = _dcm("111066", "Vertical Pixel Spacing")
SUMMARY = _dcm("111017", "CAD Processing and Findings Summary")
IMPRESSION = _dcm("111034", "Individual Impression/Recommendation")
DESCRIPTION = _dcm("111033", "Impression Description")
RENDERING = _dcm("111056", "Rendering Intent")
#: CID 6034.
REQUIRED = _dcm("111150", "Presentation Required: Rendering device is expected to present")
COMPOSITE = _dcm("111015", "Composite Feature")
COMPOSITE_TYPE = _dcm("111016", "Composite type")
#: CID 6035.
RELATED_SPATIALLY = _dcm("111154", "Target Content Items are related spatially")
SCOPE = _dcm("111057", "Scope of Feature")
#: CID 6036.
ON_MULTIPLE_IMAGES = _dcm("111158", "Feature detected on multiple images")
CERTAINTY_OF_FEATURE = _dcm("111011", "Certainty of Feature")
FINDING = _dcm("111059", "Single Image Finding")
CERTAINTY_OF_FINDING = _dcm("111012", "Certainty of Finding")
PROBABILITY_OF_CANCER = _dcm("111047", "Probability of cancer")
NUMBER_OF_CALCIFICATIONS = _dcm("111038", "Number of calcifications")
CENTER = _dcm("111010", "Center")
OUTLINE = _dcm("111041", "Outline")
DETECTIONS = _dcm("111064", "Summary of Detections")
SUCCESSFUL_DETECTIONS = _dcm("111063", "Successful Detections")
FAILED_DETECTIONS = _dcm("111025", "Failed Detections")
DETECTION = _dcm("111022", "Detection Performed")
ANALYSES = _dcm("111065", "Summary of Analyses")
SUCCESSFUL_ANALYSES = _dcm("111062", "Successful Analyses")
ANALYSIS = _dcm("111004", "Analysis Performed")
ALGORITHM_NAME = _dcm("111001", "Algorithm Name")
ALGORITHM_VERSION = _dcm("111003", "Algorithm Version")
ALGORITHM_MANUFACTURER = _dcm("122405", "Algorithm Manufacturer")
ALGORITHM_PARAMETERS = _dcm("111002", "Algorithm Parameters")

#: CID 6042.
SUCCEEDED = _dcm("111222", "Succeeded")
PARTIALLY_SUCCEEDED = _dcm("111223", "Partially Succeeded")
FAILED = _dcm("111224", "Failed")
NOT_ATTEMPTED = _dcm("111225", "Not Attempted")
#: CID 6047, by whether all algorithms succeeded and whether there are findings.
SUMMARIES = {
    (True, False): _dcm("111241", "All algorithms succeeded; without findings"),
    (True, True): _dcm("111242", "All algorithms succeeded; with findings"),
    (False, False): _dcm("111243", "Not all algorithms succeeded; without findings"),
    (False, True): _dcm("111244", "Not all algorithms succeeded; with findings"),
}
#: CID 6022.
SIDES = {"L": _sct("80248007", "Left breast"), "R": _sct("73056007", "Right breast")}
#: CID 4014.
VIEWS = {
    "CC": _sct("399162004", "cranio-caudal"),
    "MLO": _sct("399368009", "medio-lateral oblique"),
    "ML": _sct("399260004", "medio-lateral"),
    "LM": _sct("399352003", "latero-medial"),
    "LMO": _sct("399099002", "latero-medial oblique"),
    "XCCL": _sct("399192008", "cranio-caudal exaggerated laterally"),
    "XCCM": _sct("399101009", "cranio-caudal exaggerated medially"),
    "FB": _sct("399196006", "caudo-cranial"),
}
_DENSITY = _sct("129793001", "Mammography breast density")
_CLUSTER = _sct("129769006", "Calcification Cluster")
_DISTORTION = _sct("129792006", "Architectural distortion of breast")
#: CID 6014. It has no code for a mass or an asymmetry in one image: both are densities.
FINDINGS = {
    "mass": _DENSITY,
    "asymmetry": _DENSITY,
    "calcification": _CLUSTER,
    "distortion": _DISTORTION,
}
#: CID 6016. TID 4005 allows the codes of asymmetries only for features of both breasts.
FEATURES = FINDINGS | {"mass": _sct("129788004", "Mammographic breast mass")}
#: CID 6043.
COLLOCATION = _sct("133884007", "Spatial collocation analysis")

PERCENT = Code("%", "UCUM", "Percent")
MILLIMETRE = Code("mm", "UCUM", "mm")
NO_UNITS = Code("1", "UCUM", "no units")
