"""DICOS's identifiers: SOP classes by name, and what is done with each.

The seven plain ones are in DICOM's registry (PS3.6, table A-1). The longer ones are what the reference toolkit proposes
for version V03; what their last parts stand for is not public, so each is taken as one of its family.
"""

from __future__ import annotations

_DICOS = "1.2.840.10008.5.1.4.1.1.501."
_MEDICAL = "1.2.840.10008.5.1.4.1.1."

DX_FOR_PRESENTATION = _DICOS + "2.1"
DX_FOR_PROCESSING = _DICOS + "2.2"
TDR = _DICOS + "3"
FILE_META_VERSION = 0x00020004
#: This project's Implementation Class UID (PS3.7, D.3.3.2): a UUID's, as anyone may make one (PS3.5, B.2).
IMPLEMENTATION = "2.25.137907639712478624040122523392852731655"


def _family(root: str, name: str, first: int = 0, last: int = 3) -> dict[str, str]:
    """Return a class and its V03 relatives; `first` = 0 counts the class itself."""
    return {root if n == 0 else f"{root}.{n}": name for n in range(first, last + 1)}


#: Pictures that can be judged: DICOS's own, and medical classes that scanners with a plain DICOM stack use instead.
IMAGES = {
    **_family(DX_FOR_PRESENTATION, "DICOS Digital X-Ray, for presentation"),
    **_family(DX_FOR_PROCESSING, "DICOS Digital X-Ray, for processing"),
    _MEDICAL + "1.1": "Digital X-Ray, for presentation",
    _MEDICAL + "1.1.1": "Digital X-Ray, for processing",
    _MEDICAL + "1": "Computed Radiography",
    _MEDICAL + "7": "Secondary Capture",
}

#: Objects that are kept as they came, and answered "unknown: not supported".
KEPT = {
    **_family(_DICOS + "1", "DICOS CT Image"),
    TDR: "DICOS Threat Detection Report",
    _DICOS + "6": "DICOS Quadrupole Resonance",
    **_family(_DICOS + "7", "DICOS V03 object", 1, 4),
    **_family(_DICOS + "8", "DICOS V03 object", 1, 4),
    **_family(_DICOS + "9", "DICOS V03 object", 1, 2),
    **_family(_DICOS + "10", "DICOS V03 object", 1, 2),
    _MEDICAL + "2": "CT Image",
}

#: Pictures of people. They are offered no presentation context, and no file of theirs is kept.
PERSONS = {
    **_family(_DICOS + "4", "DICOS 2D Advanced Imaging Technology", 0, 2),
    **_family(_DICOS + "5", "DICOS 3D Advanced Imaging Technology", 0, 2),
}


def is_of_person(sop_class: str) -> bool:
    """Return whether a SOP class is of body scanner images, relatives that are not listed included."""
    return sop_class.startswith((_DICOS + "4.", _DICOS + "5.")) or sop_class in PERSONS
