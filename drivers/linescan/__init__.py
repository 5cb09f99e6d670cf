"""The `linescan` driver: raw dual-energy detector lines, in a frame of our own."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="linescan",
    summary="raw dual-energy lines of an X-ray line detector, over TCP or UDP, in a documented frame of our own",
    settings="drivers.linescan.settings:LinescanSettings",
    driver="drivers.linescan.driver:LinescanDriver",
    pictures=True,
    example="""\
driver = "linescan"
model = "baggage"

[settings]
url = "udp://0.0.0.0:5600"       # the detector sends here; or tcp://10.0.0.8:5600, where it listens
# sender = "10.0.0.8"            # udp: datagrams of others are left out
# gap_lines = 24                 # so many clear lines end an item
# max_lines = 3000               # a longer one is cut, and says so
# line_mm = 1.0                  # sizes in the belt plane, where known
# pixel_mm = 1.0
""",
    wiring="""\
A network of its own between detector and appliance, a gigabit, without other traffic: a lost datagram is a lost line.
For UDP let the kernel keep bursts: net.core.rmem_max = 8388608 in /etc/sysctl.d.
After the first start, and daily: jaitf-edge calibrate NAME, the belt running empty, the X-rays switched off and on.
Try it from the appliance: jaitf-edge probe NAME
""",
)
