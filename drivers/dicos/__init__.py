"""Scanners that store their pictures by C-STORE: DICOS images, in DICOM's dialect and in DICOS's own."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="dicos",
    summary="baggage scanners that store DICOS images by C-STORE",
    settings="drivers.dicos.settings:DicosSettings",
    driver="drivers.dicos.driver:DicosDriver",
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
