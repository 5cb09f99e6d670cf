"""The `lamp` driver: lamps, buzzers and relays that take a command of bytes on a line."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="lamp",
    summary="lamps, buzzers and relays on a serial line, switched by commands of bytes: outputs for signals",
    settings="drivers.lamp.settings:LampSettings",
    driver="drivers.lamp.driver:LampDriver",
    pictures=False,
    example="""\
driver = "lamp"

[settings]
url = "serial:///dev/serial/by-id/usb-1a86_USB_Serial-if00-port0?baud=9600"

[[settings.switches]]
name = "lamp"
on = "A0 01 01 A2"               # bytes in hexadecimal; or text with form = "text"
off = "A0 01 00 A1"

[[settings.switches]]
name = "buzzer"
form = "text"
on = "BUZZ 1\\r\\n"
off = "BUZZ 0\\r\\n"
answer = "OK"                    # what the device answers; leave it out where it answers nothing
""",
    wiring="""\
A relay board or signal tower on USB or RS-232, or behind a terminal server (tcp://HOST:PORT). Which bytes switch it
is in its maker's manual. [[signals]] in edge.toml says what it shows; an output that nothing ordered is off.
Try it from the appliance: jaitf-edge probe NAME (it switches nothing on)
""",
)
