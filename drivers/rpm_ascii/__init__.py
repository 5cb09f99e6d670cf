"""The `rpm-ascii` driver: radiation portals that tell their counts as lines of text."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="rpm-ascii",
    summary="radiation portals of the VM-250 family: gamma and neutron alarms, faults, tampering; serial or TCP",
    settings="drivers.rpm_ascii.settings:RpmAsciiSettings",
    driver="drivers.rpm_ascii.driver:RpmAsciiDriver",
    finder="drivers.rpm_ascii.find:attempts",
    pictures=False,
    example="""\
driver = "rpm-ascii"

[settings]
url = "tcp://10.0.0.6:1600"      # or serial:///dev/serial/by-id/NAME?baud=9600
# silence_s = 15                 # silent for so long it is down
# gamma_severity = "high"
# neutron_severity = "critical"
""",
    wiring="""\
The portal's serial output (RS-232: its TX to our RX, ground to ground; nothing is sent to it), or over TCP its Ethernet
port or a serial server. An empty portal sends two lines every 5 s, so a good cable shows at once.
Try it from the appliance: jaitf-edge probe NAME
""",
)
