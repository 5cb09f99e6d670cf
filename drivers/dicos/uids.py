"""DICOS's identifiers: SOP classes by name, and what is done with each (pydicom's UID dictionary, type "DICOS")."""

from __future__ import annotations

_DICOS = "1.2.840.10008.5.1.4.1.1.501."

DX_FOR_PRESENTATION = _DICOS + "2.1"
DX_FOR_PROCESSING = _DICOS + "2.2"
TDR = _DICOS + "3"
FILE_META_VERSION = 0x00020004

#: Pictures that can be judged: DICOS's own, and medical classes that scanners with a plain DICOM stack use instead.
IMAGES = {
    DX_FOR_PRESENTATION: "DICOS Digital X-Ray, for presentation",
    DX_FOR_PROCESSING: "DICOS Digital X-Ray, for processing",
    "1.2.840.10008.5.1.4.1.1.1.1": "Digital X-Ray, for presentation",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "Digital X-Ray, for processing",
    "1.2.840.10008.5.1.4.1.1.1": "Computed Radiography",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture",
}

#: Objects that are kept as they came, and answered "unknown: not supported".
KEPT = {
    _DICOS + "1": "DICOS CT",
    TDR: "DICOS Threat Detection Report",
    _DICOS + "6": "DICOS Quadrupole Resonance",
}

#: Pictures of people. They are offered no presentation context, and no file of theirs is kept.
PERSONS = {
    _DICOS + "4": "DICOS 2D Advanced Imaging Technology",
    _DICOS + "5": "DICOS 3D Advanced Imaging Technology",
}
