"""The `nmea` driver: satellite receivers in collars and vehicles, over NMEA 0183."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="nmea",
    summary="satellite receivers, such as a dog's collar: its place over NMEA 0183, serial or TCP; no fix is no place",
    settings="drivers.nmea.settings:NmeaSettings",
    driver="drivers.nmea.driver:NmeaDriver",
    finder="drivers.nmea.find:attempts",
    pictures=False,
    example="""\
driver = "nmea"

[settings]
url = "serial:///dev/serial/by-id/usb-u-blox_GNSS_receiver-if00"   # or tcp://HOST:10110
# report_s = 1                   # a place is told at most so often
""",
    wiring="""\
A collar's base station, or a receiver, on USB or RS-232 (4800 8N1 unless the url says otherwise; many are set to 9600
or 38400), or over TCP where it serves NMEA 0183 (port 10110). It must send RMC, better GGA too, each with its checksum.
A receiver needs the sky: under a roof it says that it has no fix, and then there is no place.
Try it from the appliance: jaitf-edge probe NAME
""",
)
