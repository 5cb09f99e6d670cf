"""What a DICOS object must have, as tables: attributes by kind of object, and the words that each may say.

Source: NEMA IIC 1 v03 as the reference toolkit (SDICOS) enforces it, found by leaving each attribute out in turn, and
the code strings that it writes. Where it is lax (any Alarm Decision, any count of alarm objects) the tables are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute that must be there: `vr` what it is written as; `empty` whether it may say nothing.

    `words` are those that its values may be, by position where there are several lists; none: any. `since_v03`: V02A
    objects need not have it. `count` is how many values it has; 0: any number.
    """

    tag: int
    name: str
    vr: str
    empty: bool = False
    words: tuple[frozenset[str] | None, ...] = ()
    since_v03: bool = False
    count: int = 0


def _words(*words: str) -> tuple[frozenset[str] | None, ...]:
    return (frozenset(words),)


_A = Attribute
OOI_ID_TYPES: Final = _words("TEXT", "RFID", "BARCODE", "MRP")
OOI_TYPES: Final = _words("BAGGAGE", "PERSON", "CARGO", "ANIMAL", "BIO_SAMPLE", "OTHER")
ACQUISITIONS: Final = _words("SUCCESSFUL", "JAM", "OVERSIZE", "SLIP", "INCOMPLETE", "CUT", "MERGED", "STITCHED")
ABORT_REASONS: Final = _words(
    *("OVERSIZE_BAG", "CLIPPED_BAG", "INCOMPLETE_SCAN", "FAILED_RECON", "TIMEOUT", "NOT_REVIEWED"),
    *("UNKNOWN_DATATYPE", "USER_INTERRUPT", "OUT_OF_BOUNDS"),
)
IMAGE_KINDS: Final = frozenset(
    (
        *("HIGH ENERGY", "LOW ENERGY", "MULTI ENERGY", "Z_EFFECTIVE", "COMPTON", "PHOTOELECTRIC"),
        *("DENSITY", "INTENSITY", "MU"),
    )
)

COMMON: Final = (
    _A(0x00080012, "Instance Creation Date", "DA"),
    _A(0x00080013, "Instance Creation Time", "TM"),
    _A(0x00080016, "SOP Class UID", "UI"),
    _A(0x00080018, "SOP Instance UID", "UI"),
    _A(0x00080020, "Scan Date", "DA"),
    _A(0x00080021, "Series Date", "DA"),
    _A(0x00080023, "Content Date", "DA"),
    _A(0x00080030, "Scan Time", "TM"),
    _A(0x00080031, "Series Time", "TM"),
    _A(0x00080033, "Content Time", "TM"),
    _A(0x00080060, "Modality", "CS"),
    _A(0x00080070, "Manufacturer", "LO", empty=True),
    _A(0x00080080, "Machine Location", "LO", empty=True),
    _A(0x00080081, "Machine Address", "ST", empty=True),
    _A(0x00081010, "Machine ID", "SH", empty=True),
    _A(0x00081090, "Manufacturer's Model Name", "LO", empty=True),
    _A(0x00100020, "OOI ID", "LO"),
    _A(0x00100021, "OOI ID Assigning Authority", "LO"),
    _A(0x00100022, "OOI ID Type", "CS", words=OOI_ID_TYPES),
    _A(0x00181000, "Device Serial Number", "LO", empty=True),
    _A(0x00181020, "Software Versions", "LO", empty=True),
    _A(0x00181200, "Date of Last Calibration", "DA", empty=True),
    _A(0x00181201, "Time of Last Calibration", "TM", empty=True),
    _A(0x0020000D, "Scan Instance UID", "UI"),
    _A(0x0020000E, "Series Instance UID", "UI"),
    _A(0x00200010, "Scan ID", "SH"),
    _A(0x00200013, "Instance Number", "IS"),
    _A(0x4010103A, "DICOS Version", "CS", words=_words("V03", "V02A")),
    _A(0x40101042, "OOI Type", "CS", words=OOI_TYPES),
    _A(0x40101044, "Acquisition Status", "CS", words=ACQUISITIONS),
    _A(0x40101048, "Scan Type", "CS", words=_words("OPERATIONAL", "NON_OPERATIONAL")),
)
PERSON: Final = (_A(0x00100040, "OOI Gender", "CS", words=_words("M", "F", "O")),)

DX: Final = (
    _A(0x00080008, "Image Type", "CS", words=(frozenset(("ORIGINAL", "DERIVED", "MIXED")), IMAGE_KINDS)),
    _A(0x00080068, "Presentation Intent Type", "CS", words=_words("FOR PROCESSING", "FOR PRESENTATION")),
    _A(0x00080118, "Image Origin", "CS", since_v03=True),
    _A(0x00082108, "Coordinate System", "CS", since_v03=True),
    _A(0x00180060, "KVP", "DS"),
    _A(0x00187004, "Detector Type", "CS", empty=True),
    _A(0x00188151, "X-Ray Tube Current in uA", "DS"),
    _A(0x00189309, "Belt Speed", "FD"),
    _A(0x00200032, "Image Position", "DS", count=3),
    _A(0x00200037, "Image Orientation", "DS", count=6),
    _A(0x00280002, "Samples per Pixel", "US"),
    _A(
        *(0x00280004, "Photometric Interpretation", "CS"),
        words=_words("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB"),
    ),
    _A(0x00280010, "Rows", "US"),
    _A(0x00280011, "Columns", "US"),
    _A(0x00280100, "Bits Allocated", "US"),
    _A(0x00280101, "Bits Stored", "US"),
    _A(0x00280102, "High Bit", "US"),
    _A(0x00280103, "Pixel Representation", "US"),
    _A(0x00280301, "Burned In Annotation", "CS", words=_words("YES", "NO")),
    _A(0x00281040, "Pixel Intensity Relationship", "CS", words=_words("LIN", "LOG")),
    _A(0x00281041, "Pixel Intensity Relationship Sign", "SS"),
    _A(0x00281052, "Rescale Intercept", "DS"),
    _A(0x00281053, "Rescale Slope", "DS"),
    _A(0x00281054, "Rescale Type", "LO"),
    _A(0x00282110, "Lossy Image Compression", "CS", words=_words("00", "01")),
    _A(0x00400555, "Acquisition Context Sequence", "SQ", empty=True),
    _A(0x40101062, "Belt Height", "FL"),
    _A(0x43000902, "Effective Energy", "FL", since_v03=True),
    _A(0x7FE00010, "Pixel Data", "OW"),
)

TDR: Final = (
    _A(0x00081110, "Referenced Scans Sequence", "SQ"),
    _A(0x00200052, "Frame of Reference UID", "UI"),
    _A(0x00201040, "Position Reference Indicator", "LO", empty=True),
    _A(0x40101024, "Abort Flag", "CS", words=_words("SUCCESS", "ABORT")),
    _A(
        *(0x40101027, "TDR Type", "CS"),
        words=_words("MACHINE", "OPERATOR", "GROUND TRUTH", "AGGREGATE", "MOD_AGGREGATE", "UNDEFINED"),
    ),
    _A(0x40101029, "Threat Detection Algorithm and Version", "LO"),
    _A(0x4010102B, "Alarm Decision Time", "DT"),
    _A(0x40101031, "Alarm Decision", "CS", words=_words("ALARM", "CLEAR", "UNKNOWN")),
    _A(0x40101033, "Number of Total Objects", "US"),
    _A(0x40101034, "Number of Alarm Objects", "US"),
    _A(0x40101069, "Total Processing Time", "FL"),
    _A(0x4010106D, "Additional Screening Performed", "CS", words=_words("YES", "NO")),
    _A(0x40101075, "Image Scale Representation", "FD"),
)
THREAT: Final = (
    _A(0x40101010, "Potential Threat Object ID", "US"),
    _A(0x40101037, "PTO Representation Sequence", "SQ"),
    _A(0x40101038, "ATD Assessment Sequence", "SQ"),
    _A(0x40101080, "PTO Processing Start Time", "DT", since_v03=True),
    _A(0x40101081, "PTO Processing End Time", "DT", since_v03=True),
    _A(0x40101082, "PTO Processing Time", "FL", since_v03=True),
)
REPRESENTATION: Final = (_A(0x0008114A, "Referenced Instance Sequence", "SQ"),)
REPRESENTATION_OF_BAGGAGE: Final = (_A(0x40101001, "Threat ROI Voxel Sequence", "SQ"),)
REPRESENTATION_OF_PERSON: Final = (_A(0x40101079, "Anomaly Locator Indicator Sequence", "SQ"),)
LOCATOR: Final = (_A(0x4010107A, "Anomaly Locator Indicator", "FL", count=3),)
REFERENCE: Final = (
    _A(0x00081150, "Referenced SOP Class UID", "UI"),
    _A(0x00081155, "Referenced SOP Instance UID", "UI"),
)
REGION: Final = (
    _A(0x40101004, "Threat ROI Base", "FL", count=3),
    _A(0x40101005, "Threat ROI Extents", "FL", count=3),
    _A(0x40101006, "Threat ROI Bitmap", "OB", empty=True),
)
ASSESSMENT: Final = (
    _A(
        *(0x40101012, "Threat Category", "CS"),
        words=_words("EXPLOSIVE", "PI", "CONTRABAND", "ANOMALY", "LAPTOP", "PHARMACEUTICAL", "OTHER"),
    ),
    _A(0x40101014, "ATD Ability Assessment", "CS", words=_words("NO_INTERFERENCE", "SHIELD")),
    _A(0x40101015, "ATD Assessment Flag", "CS", words=_words("HIGH_THREAT", "THREAT", "NO_THREAT", "UNKNOWN")),
)
WINDOW: Final = _A(0x00281050, "Window Center", "DS")
VOI_LUT: Final = 0x00283010
ABORT_REASON: Final = _A(0x40101021, "Abort Reason", "CS", words=ABORT_REASONS * 9)
OPERATOR: Final = _A(0x00081072, "Operator Identification Sequence", "SQ")
THREATS: Final = _A(0x40101011, "Threat Sequence", "SQ")
