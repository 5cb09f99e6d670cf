"""The `scale` driver: scales that speak MT-SICS, Toledo's continuous output, or NCI."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="scale",
    summary="scales for parcels and freight: MT-SICS, Toledo continuous, NCI; a weight far from the declared one",
    settings="drivers.scale.settings:ScaleSettings",
    driver="drivers.scale.driver:ScaleDriver",
    finder="drivers.scale.find:attempts",
    pictures=False,
    example="""\
driver = "scale"

[settings]
url = "serial:///dev/serial/by-id/usb-FTDI_USB_Serial-if00-port0?baud=9600"
protocol = "sics"                # sics | toledo | nci
# change_kg = 0.05               # a weight is told anew once it differs by so much
# declared_kg = 20.0             # where everything weighed here is declared alike: further off is a hit
# tolerance_kg = 0.5
""",
    wiring="""\
RS-232 to the scale's communication port: TX to RX, RX to TX, ground to ground; USB and Ethernet where it has them
(tcp://HOST:PORT, also of a terminal server). Set baud rate, parity and protocol in the scale's menu as in the url; for
toledo also "continuous output" with checksum. A scale of a legal class stays sealed: nothing here writes to it.
Try it from the appliance: jaitf-edge probe NAME
""",
)
