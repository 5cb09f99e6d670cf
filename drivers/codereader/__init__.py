"""The `codereader` driver: readers of bar codes and of travel documents' lines, and buttons of the HID class."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="codereader",
    summary="code readers: bag tags, boarding passes, parcels, travel documents' lines; buttons; serial, TCP or HID",
    settings="drivers.codereader.settings:CodereaderSettings",
    driver="drivers.codereader.driver:CodereaderDriver",
    pictures=False,
    example="""\
driver = "codereader"

[settings]
url = "hid:///dev/input/by-id/usb-Honeywell_Barcode-event-kbd"   # or serial:///dev/serial/by-id/NAME?baud=115200
end = "cr"                       # what the reader sends after each code
layout = "us"                    # HID: the keyboard that it pretends to be: us, fr, es, pt
# aim_required = true            # where the reader is set to send AIM prefixes: the surest

[[settings.buttons]]             # a key that is a button: the handler's
key = "KEY_F1"
name = "alert"
severity = "high"
""",
    wiring="""\
USB. Best is the reader's serial mode (USB CDC, "virtual COM"): serial:///dev/serial/by-id/NAME. As a keyboard (HID) it
is hid:///dev/input/by-id/NAME-event-kbd; the appliance grabs it, so that nothing that it types reaches a screen, and
its user is in the group input. RS-232: TX to RX, RX to TX, ground to ground; 9600 8N1 unless the url says otherwise.
Set the reader, with its manual's codes: carriage return after each code, AIM identifier before each code, nothing else.
Try it from the appliance: jaitf-edge probe NAME, and have a code read.
""",
)
