"""The codes that results are written with: SNOMED CT, DCM and UCUM where they have one, else our own scheme.

99FLUOROSPREAD is a private coding scheme (PS3.3 C.12.1.1.6 asks for it to be identified in every object);
`docs/dicom_results.md` lists it. A code is never given another meaning; one that is wrong is left unused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from pydicom.sr.coding import Code

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.findings import Anchor, ContrastMethod, ContrastStatus, LevelStatus
from fluorospread.model.geometry import ColumnsTowards, GeometrySource, RowsTowards
from fluorospread.model.radiograph import PolaritySource, Quantity
from fluorospread.model.review import Confidence, ImageQuality
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import CriterionResult, Outcome, PunctureSource

SCHEME = "99FLUOROSPREAD"
SCHEME_VERSION = "1"
SCHEME_NAME = "fluorospread result codes"
SCHEME_OWNER = "fluorospread contributors"

Word = TypeVar("Word", bound=StrEnum)


def _own(value: str, meaning: str) -> Code:
    return Code(value, SCHEME, meaning, SCHEME_VERSION)


# --- Findings
VERTEBRA = _own("F01", "Centre of vertebral body")
JUNCTION = _own("F02", "SAP-TP junction")
NEEDLE_TIP = _own("F03", "Needle tip")
NUMBERING = _own("F04", "Numbering of vertebrae")
CONTRAST_SEARCH = _own("F05", "Search for contrast")
COVERAGE = _own("F06", "Contrast over SAP-TP junction")
PUNCTURE = _own("F07", "Puncture")
CONTRAST_AGENT = Code("7140000", "SCT", "Contrast agent")
SUBSTANCE = Code("105590001", "SCT", "Substance")
LUMBAR_SPINE = Code("122496007", "SCT", "Lumbar spine")
FLUOROSCOPY = Code("44491008", "SCT", "Fluoroscopy")

# --- Measurements
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
UPPER_UNCERTAINTY = Code("371886008", "SCT", "+, range of upper measurement uncertainty")
LOWER_UNCERTAINTY = Code("371885007", "SCT", "-, range of lower measurement uncertainty")
DISTANCE = Code("121206", "DCM", "Distance")
AREA = Code("42798000", "SCT", "Area")
VERTICAL_SPACING = Code("111066", "DCM", "Vertical Pixel Spacing")
HORIZONTAL_SPACING = Code("111026", "DCM", "Horizontal Pixel Spacing")
ROWS = Code("110910", "DCM", "Pixel Data Rows")
COLUMNS = Code("110911", "DCM", "Pixel Data Columns")
FRAMES = Code("121140", "DCM", "Number of Frames")
POINT_UNCERTAINTY = _own("M01", "Uncertainty of the point, 1 sd")
ALTERNATIVE = _own("M02", "Probability of another numbering")
SHIFT = _own("M03", "Levels by which every name moves caudally")
ESTIMATED_SCALE = _own("M04", "Scale estimated from vertebral pitch")
SCALE_UNCERTAINTY = _own("M05", "Relative uncertainty of the scale, 1 sd")
MAGNIFICATION = _own("M06", "Magnification, detector over patient plane")
DIRECTION_ROW = _own("M07", "Needle direction along rows, hub to tip")
DIRECTION_COLUMN = _own("M08", "Needle direction along columns, hub to tip")
DETECTION_LIMIT = _own("M09", "Detection limit of areal iodine")
FRACTION = _own("M10", "Share of a 5 mm disc about the junction covered")
GAP = _own("M11", "Gap from the junction to contrast")
MARGIN = _own("M12", "Margin inside the outline, negative outside")
DECISION_SIGMA = _own("M13", "Uncertainty the decision used, 1 sd")
DISTANCE_SIGMA = _own("M14", "Uncertainty of the distance, 1 sd")
CRANIOCAUDAL = _own("M15", "Craniocaudal extent of contrast")
MEDIOLATERAL = _own("M16", "Mediolateral extent of contrast")
CRANIAL_REACH = _own("M17", "Cranial reach of contrast")
CAUDAL_REACH = _own("M18", "Caudal reach of contrast")
LATERAL_REACH = _own("M19", "Lateral reach of contrast")
IODINE = _own("M20", "Mass of iodine")
SHARE = _own("M21", "Share of all contrast signal")
CENTROID_ROW = _own("M22", "Centroid of contrast, row")
ENTRANCE_DOSE = _own("M24", "Entrance dose of the procedure step so far")
AREA_DOSE = Code("122130", "DCM", "Dose Area Product")
FLUOROSCOPY_TIME = Code("113730", "DCM", "Total Fluoro Time")
TOTAL_AREA_DOSE = Code("113722", "DCM", "Dose Area Product Total")
REFERENCE_POINT_DOSE = Code("113725", "DCM", "Dose (RP) Total")
CENTROID_COLUMN = _own("M23", "Centroid of contrast, column")

# --- Questions answered by a word
IMAGE_ROLE = _own("Q01", "Role of the image")
LEVEL_STATUS = _own("Q02", "Standing of the numbering")
ANCHOR = _own("Q03", "What numbered the vertebrae")
SCALE_SOURCE = _own("Q04", "What the scale rests on")
COLUMNS_TOWARDS = _own("Q05", "Columns lead towards")
ROWS_TOWARDS = _own("Q06", "Rows lead towards")
QUANTITY = _own("Q07", "Meaning of a pixel difference")
POLARITY_SOURCE = _own("Q08", "What settled the polarity")
IMAGE_SIDE = _own("Q09", "Side of the image, patient side not known")
CONTRAST_STATUS = _own("Q10", "Contrast")
CONTRAST_METHOD = _own("Q11", "How contrast was looked for")
CONTRAST_GIVEN = _own("Q12", "Contrast declared as given")
LEVEL_SPANNED = _own("Q13", "Level spanned by contrast")
COVERED = _own("Q14", "Junction covered by contrast")
AT_TARGET = _own("Q15", "Puncture at its target")
PUNCTURE_SOURCE = _own("Q16", "What the puncture's level rests on")
VERDICT = _own("Q17", "Verdict")
PUNCTURE_VERDICT = _own("Q18", "Verdict on punctures")
COVERAGE_VERDICT = _own("Q19", "Verdict on coverage")
CRITERION = _own("Q20", "Criterion of the protocol")
TARGET_LEVEL = _own("Q21", "Level the puncture was meant for")
LEVEL_SEEN = _own("Q22", "Level the reader sees")
READER_CONFIDENCE = _own("Q23", "Reader's confidence")
ABERRANT_FLOW = _own("Q24", "Aberrant flow")
IMAGE_QUALITY = _own("Q25", "Image quality as the reader judges it")
SIDE = _own("Q26", "Side")

# --- Texts
COMMENT = Code("121106", "DCM", "Comment")
REASON = _own("T01", "Reason")
ASSIGNED_BY = _own("T02", "Level assigned by")
NERVE = _own("T03", "Nerve at the junction")
ASSUMPTION = _own("T04", "Assumption made")
ORIENTATION_SOURCE = _own("T05", "What settled the orientation")
ORIENTATION_NOTE = _own("T06", "Note on the orientation")
SCALE_NOTE = _own("T07", "Note on the scale")
ROLE_SOURCE = _own("T08", "What settled the role of the image")
IMAGE_SHA256 = _own("T09", "SHA-256 of the image file")
IODINE_REASON = _own("T10", "Why no absolute iodine is given")
CRITERION_NAME = _own("T11", "Name of the criterion")
FLAG = _own("T12", "For the reader to look at")
FLAG_CODE = _own("T13", "Kind of flag")
OVERRIDE = _own("T14", "Settled by a person")
OVERRIDE_NAME = _own("T15", "Option that settled it")
CASE_ID = _own("T16", "Case")
PROTOCOL = _own("T17", "Protocol")
PROTOCOL_SHA256 = _own("T18", "SHA-256 of the protocol file")
SOFTWARE = _own("T19", "Software")
SOFTWARE_VERSION = _own("T20", "Software version")
WEIGHTS_SHA256 = _own("T21", "SHA-256 of the network weights")
HEAD_HASH = _own("T22", "Head hash of the review log")
REFERENCE_IMAGE = _own("T23", "Image the verdict rests on")
CONTRAST_IMAGE = _own("T24", "Image contrast was measured in")
IMAGE_NUMBER = _own("T25", "Number of the image in this report")
NOT_ENCODED = _own("T26", "Left out of this report")
DOSE_REPORT_UID = _own("T27", "SOP Instance UID of the dose report")
DOSE_REPORT_SHA256 = _own("T28", "SHA-256 of the dose report")

# --- Reader's decision
DECISION = _own("C01", "Reader's decision")
PUNCTURE_READ = _own("C02", "Puncture as read")
JUNCTION_READ = _own("C03", "Junction as read")
SIGNATURE = _own("C04", "Signature")
SIGNED_BY = _own("C05", "Signed by")
SIGNED_AT = _own("C06", "Signed at, in UTC unless an offset is given")
MARKED_POINT = _own("C07", "Point marked by the reader")
DECISION_VERDICT = _own("C08", "Verdict of the reader")

# --- The device's dose report
DOSE_REPORT = _own("C09", "Dose of the procedure, by the device's report")

# --- Structure (TID 1500, 1501, 1410, 1600, 1601)
FINDING = Code("121071", "DCM", "Finding")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
LATERALITY = Code("272741003", "SCT", "Laterality")
MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
IMAGE_REGION = Code("111030", "DCM", "Image Region")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
LIBRARY_IMAGE = Code("260753009", "SCT", "Source")

MODALITY = Code("121139", "DCM", "Modality")
OTHER_MODALITY = Code("OT", "DCM", "Other Modality")

# --- Units
PIXELS = Code("{pixels}", "UCUM", "pixels")
MILLIMETRE = Code("mm", "UCUM", "mm")
SQUARE_MILLIMETRE = Code("mm2", "UCUM", "mm2")
MILLIGRAM = Code("mg", "UCUM", "mg")
MILLIGRAM_PER_CM2 = Code("mg/cm2", "UCUM", "mg/cm2")
MM_PER_PIXEL = Code("mm/{pixels}", "UCUM", "mm per pixel")
SECOND = Code("s", "UCUM", "s")
GRAY_CM2 = Code("Gy.cm2", "UCUM", "Gy.cm2")
MILLIGRAY = Code("mGy", "UCUM", "mGy")
NO_UNITS = Code("1", "UCUM", "no units")

_UNDETERMINED = Code("373068000", "SCT", "Undetermined")
_NOT_APPLICABLE = _own("W02", "Not applicable")

WORDS: dict[type[StrEnum], dict[StrEnum, Code]] = {
    # PS3.16 CID 7151 has no S1 of its own; among the levels here the sacrum stands for it.
    Level: {
        Level.T9: Code("82687006", "SCT", "T9 vertebra"),
        Level.T10: Code("7610001", "SCT", "T10 vertebra"),
        Level.T11: Code("12989004", "SCT", "T11 vertebra"),
        Level.T12: Code("23215003", "SCT", "T12 vertebra"),
        Level.L1: Code("66794005", "SCT", "L1 vertebra"),
        Level.L2: Code("14293000", "SCT", "L2 vertebra"),
        Level.L3: Code("36470004", "SCT", "L3 vertebra"),
        Level.L4: Code("11994002", "SCT", "L4 vertebra"),
        Level.L5: Code("49668003", "SCT", "L5 vertebra"),
        Level.L6: _own("W01", "L6 vertebra"),
        Level.S1: Code("54735007", "SCT", "Sacrum"),
    },
    Side: {
        Side.LEFT: Code("7771000", "SCT", "Left"),
        Side.RIGHT: Code("24028007", "SCT", "Right"),
        Side.IMAGE_LEFT: _own("W04", "Low columns of the image"),
        Side.IMAGE_RIGHT: _own("W05", "High columns of the image"),
    },
    Answer: {
        Answer.YES: Code("373066001", "SCT", "Yes"),
        Answer.NO: Code("373067005", "SCT", "No"),
        Answer.UNDETERMINED: _UNDETERMINED,
    },
    Outcome: {
        Outcome.VERIFIED: _own("W10", "Verified"),
        Outcome.NOT_VERIFIED: _own("W11", "Not verified"),
        Outcome.UNDETERMINED: _UNDETERMINED,
        Outcome.NOT_APPLICABLE: _NOT_APPLICABLE,
    },
    CriterionResult: {
        CriterionResult.MET: _own("W12", "Met"),
        CriterionResult.NOT_MET: _own("W13", "Not met"),
        CriterionResult.UNDETERMINED: _UNDETERMINED,
        CriterionResult.NOT_APPLICABLE: _NOT_APPLICABLE,
    },
    LevelStatus: {
        LevelStatus.CONFIDENT: _own("W20", "Confident"),
        LevelStatus.UNCERTAIN: _own("W21", "Uncertain"),
        LevelStatus.INDETERMINATE: _own("W22", "Indeterminate"),
    },
    Anchor: {
        Anchor.SACRUM: _own("W23", "Sacrum in view"),
        Anchor.TWELFTH_RIB: _own("W24", "Twelfth rib in view"),
        Anchor.BOTH: _own("W25", "Sacrum and twelfth rib in view"),
        Anchor.GIVEN: _own("W26", "Given by a person"),
        Anchor.NONE: _own("W27", "Nothing"),
    },
    Role: {
        Role.PRE: _own("W30", "Before contrast"),
        Role.NEEDLE: _own("W31", "Needle placed"),
        Role.POST: _own("W32", "After contrast"),
        Role.CINE: _own("W33", "Run of frames"),
        Role.LATERAL: _own("W34", "Lateral, not measured"),
        Role.OBLIQUE: _own("W35", "Oblique, not measured"),
    },
    GeometrySource: {
        GeometrySource.GIVEN: _own("W40", "Given by a person"),
        GeometrySource.PIXEL_SPACING_CALIBRATED: _own("W41", "Calibrated Pixel Spacing"),
        GeometrySource.OBJECT_PIXEL_SPACING: _own("W42", "Object Pixel Spacing in Center of Beam"),
        GeometrySource.ERMF: _own("W43", "Estimated Radiographic Magnification Factor"),
        GeometrySource.SID_SOD: _own("W44", "Distances of source, patient and detector"),
        GeometrySource.ESTIMATED_FROM_ANATOMY: _own("W45", "Estimated from vertebral pitch"),
        GeometrySource.NONE: _own("W46", "No scale"),
    },
    ColumnsTowards: {
        ColumnsTowards.PATIENT_LEFT: _own("W50", "Patient's left"),
        ColumnsTowards.PATIENT_RIGHT: _own("W51", "Patient's right"),
    },
    RowsTowards: {
        RowsTowards.FEET: _own("W52", "Feet"),
        RowsTowards.HEAD: _own("W53", "Head"),
    },
    Quantity: {
        Quantity.NATURAL_LOG: _own("W54", "Natural logarithm of intensity"),
        Quantity.RELATIVE: _own("W55", "Order only"),
    },
    PolaritySource: {
        PolaritySource.TAG: _own("W56", "Pixel Intensity Relationship Sign"),
        PolaritySource.GIVEN: _own("W57", "Given by a person"),
        PolaritySource.PRESENTATION: _own("W58", "Presentation of the image"),
        PolaritySource.ASSUMED_FROM_CONTENT: _own("W59", "Assumed from the picture"),
    },
    ContrastStatus: {
        ContrastStatus.FOUND: _own("W60", "Found"),
        ContrastStatus.NOT_FOUND: _own("W61", "Not found"),
        ContrastStatus.NOT_IMAGED: _own("W62", "Not imaged"),
        ContrastStatus.NOT_GIVEN: _own("W63", "Declared as not given"),
    },
    ContrastMethod: {
        ContrastMethod.MASK_SUBTRACTION: _own("W64", "Subtraction of an image before contrast"),
        ContrastMethod.CINE: _own("W65", "Run of frames"),
        ContrastMethod.SINGLE_IMAGE: _own("W66", "Single image"),
        ContrastMethod.NONE: _own("W67", "Not looked for"),
    },
    PunctureSource: {
        PunctureSource.NEEDLE_TIP: _own("W70", "Needle tip"),
        PunctureSource.CINE_ORIGIN: _own("W71", "Origin of contrast in a run of frames"),
        PunctureSource.CONTRAST_EPICENTRE: _own("W72", "Epicentre of contrast"),
        PunctureSource.NONE: _own("W73", "No evidence"),
    },
    Confidence: {
        Confidence.LOW: Code("62482003", "SCT", "Low"),
        Confidence.MODERATE: Code("6736007", "SCT", "Moderate"),
        Confidence.HIGH: Code("75540009", "SCT", "High"),
    },
    ImageQuality: {
        ImageQuality.GOOD: _own("W80", "Good"),
        ImageQuality.LIMITED: _own("W81", "Limited"),
        ImageQuality.INADEQUATE: _own("W82", "Inadequate"),
    },
}


def code_of(word: StrEnum) -> Code:
    """The code of a word of one of the model's closed sets."""
    return WORDS[type(word)][word]


def word_of(kind: type[Word], code: tuple[str, str]) -> Word:
    """The word of the closed set `kind` that a (value, scheme) pair stands for.

    Raises
    ------
    ValueError
        The set has no such word: another program wrote the object, or a newer version of this one.
    """
    for word, known in WORDS[kind].items():
        if (known.value, known.scheme_designator) == code:
            return kind(word)
    raise ValueError(f"{code[0]} of {code[1]} is no {kind.__name__} that this version knows")


def own_codes() -> tuple[Code, ...]:
    """Every code of our scheme, by value."""
    named = [value for value in globals().values() if isinstance(value, Code)]
    words = [code for table in WORDS.values() for code in table.values()]
    return tuple(sorted({code for code in [*named, *words] if code.scheme_designator == SCHEME}))
