"""The `uhf-serial` driver: UHF reader modules on a serial line."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="uhf-serial",
    summary="UHF reader modules on a serial line: M100, YRM100, R200 and the UHFReader18 family",
    settings="drivers.uhf_serial.settings:UhfSerialSettings",
    driver="drivers.uhf_serial.driver:UhfSerialDriver",
    finder="drivers.uhf_serial.find:attempts",
    pictures=False,
    example="""\
driver = "uhf-serial"

[settings]
url = "serial:///dev/serial/by-id/usb-1a86_USB_Serial-if00-port0?baud=115200"
protocol = "m100"                # m100 | reader18 (57600 baud unless the url says otherwise)
# poll_ms = 100                  # how often it looks for tags
# min_rssi_dbm = -65             # leaves out what is only just in reach
""",
    wiring="""\
USB, or TTL/RS-232 by an adapter: TX to RX, RX to TX, ground to ground; the module's own supply (0.5 A and more while it
sends: not every USB port gives that). Name the port by /dev/serial/by-id, or by-path where two have the same serial.
The appliance's user is in the group of the port (dialout); brltty and ModemManager must leave it alone.
Try it from the appliance: jaitf-edge probe NAME
""",
)
