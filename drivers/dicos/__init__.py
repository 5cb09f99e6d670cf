"""Scanners that store their pictures by C-STORE: DICOS images, in DICOM's dialect and in DICOS's own.

For other programs it is a small library as well: `read_dataset`, `read_pictures`, `write_image`, `write_report` and
`validate`, with `Image`, `Report`, `PotentialThreat` and `Problem`; see `drivers.dicos.library` and the README.
"""

from typing import TYPE_CHECKING, Any

from drivers.contract import DriverInfo

if TYPE_CHECKING:
    from drivers.dicos.library import (
        Image,
        PotentialThreat,
        Problem,
        Report,
        read_dataset,
        read_pictures,
        validate,
        write_image,
        write_report,
    )

__all__ = [
    "DRIVER",
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

DRIVER = DriverInfo(
    name="dicos",
    summary="baggage and body scanners that store DICOS images and reports by C-STORE",
    settings="drivers.dicos.settings:DicosSettings",
    driver="drivers.dicos.driver:DicosDriver",
    finder="drivers.dicos.find:attempts",
    pictures=True,
    example="""\
driver = "dicos"
model = "baggage"
[settings]
listen = "0.0.0.0:11112"
ae_title = "EDGE"
""",
    wiring="""\
The scanner is the client: enter this appliance's address, the port of `listen` and the `ae_title` in its DICOM (or
"DICOS", "PACS") settings as a storage destination, then use its echo or test button. Nothing is opened towards the
scanner. Without `tls` the protocol is not encrypted: keep scanner and appliance on a network of their own. Reports on
each item go to a workstation where `tdr_to` names one.
""",
)


def __getattr__(name: str) -> Any:
    """Return a part of the library; imported late, for the list of drivers must load no driver's libraries."""
    if name in __all__:
        from drivers.dicos import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
