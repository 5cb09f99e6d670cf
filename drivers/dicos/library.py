"""DICOS for other programs: read a file whole or as pydicom's dataset, write images and reports, check either.

`drivers.dicos` gives all of this by name; nothing of it is imported before it is asked for.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.datadict import add_dict_entries, dictionary_has_tag
from pydicom.dataset import FileDataset

from drivers.clock import Stamp
from drivers.contract import Picture
from drivers.dicos import codec, image, tdr
from drivers.dicos.elements import data_set, file_meta
from drivers.dicos.image import Image
from drivers.dicos.tdr import PotentialThreat, Report
from drivers.dicos.validator import Problem, validate

__all__ = [
    "Image",
    "PotentialThreat",
    "Problem",
    "Report",
    "read_dataset",
    "read_pictures",
    "validate",
    "write_image",
    "write_report",
]

#: What pydicom's dictionary lacks of V03: tag, VR, multiplicity, name, whether retired, keyword.
_ENTRIES = {
    0x00020004: ("CS", "1", "DICOS Version in the file meta information", "", "FileMetaDICOSVersion"),
    0x00082108: ("CS", "1", "DICOS Coordinate System", "", "DICOSCoordinateSystem"),
    0x40101080: ("DT", "1", "PTO Processing Start Time", "", "PTOProcessingStartTime"),
    0x40101081: ("DT", "1", "PTO Processing End Time", "", "PTOProcessingEndTime"),
    0x40101082: ("FL", "1", "PTO Processing Time", "", "PTOProcessingTime"),
    0x43000902: ("FL", "1", "Effective Energy", "", "EffectiveEnergy"),
}


def read_dataset(source: bytes | Path) -> FileDataset:
    """Return a DICOS file as pydicom's dataset, with names for the attributes that its dictionary lacks.

    Every length is checked before pydicom sees the bytes. Raises drivers.errors.ProtocolError for what is no DICOM
    file or a damaged one, OSError.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    meta, start = file_meta(data)
    found = data_set(memoryview(data)[start:], meta.text(0x00020010) or "")
    if damage := meta.damage or found.damage:
        raise codec.NotDicom(f"not a DICOM file, or a damaged one: {damage}")
    add_dict_entries({tag: entry for tag, entry in _ENTRIES.items() if not dictionary_has_tag(tag)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference toolkit's own UIDs have leading zeros
        return dcmread(BytesIO(data))


def read_pictures(source: bytes | Path) -> tuple[Picture, ...]:
    """Return the pictures of a DICOS or DICOM image file: values, energy, which end is clear air, pixel size.

    Raises drivers.errors.ProtocolError for a file that is none, is damaged, shows a person, or has no picture that can
    be judged; OSError.
    """
    data = source if isinstance(source, bytes) else source.read_bytes()
    return codec.read_file(data, "", Stamp(0, 0)).pictures


def write_image(what: Image) -> bytes:
    """Return an X-ray image as a DICOS file, DX V03. Raises ValueError for pixels that are none."""
    return image.write(what)


def write_report(what: Report) -> bytes:
    """Return a Threat Detection Report as a DICOS file, V03. Raises ValueError where it contradicts itself."""
    return tdr.write(what)
