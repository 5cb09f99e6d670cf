"""The `screen` driver: what an operator's workstation shows, for scanners that let nothing else out."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="screen",
    summary="what a workstation's screen shows, by an RTSP encoder or a frame grabber: bags cut out as they scroll",
    settings="drivers.screen.settings:ScreenSettings",
    driver="drivers.screen.driver:ScreenDriver",
    finder="drivers.screen.find:attempts",
    pictures=True,
    source="screen",
    example="""\
driver = "screen"
model = "baggage"

[settings]
url = "rtsp://10.0.0.9:8554/screen"          # or v4l2:///dev/v4l/by-id/NAME
size = [1280, 720]                            # of the picture; the boxes below are in its pixels
region = [24, 64, 1232, 560]                  # the window in which bags scroll: x, y, width, height
mask = [[24, 12, 300, 36], [1160, 72, 88, 40]]  # the operator's name, a logo: painted out at once
clock = [1080, 12, 176, 36]                   # a clock with seconds: tells a frozen display from a quiet belt
direction = "left"                            # left | right | up | down: the way of the bags
""",
    wiring="""\
A splitter in the workstation's video line (the operator's monitor stays as it is), then either an HDMI encoder with an
RTSP output on the appliance's own network, or an HDMI grabber on USB. Set the encoder to the screen's own resolution,
10 to 15 pictures a second, H.264. Draw region, mask and clock from a picture of the screen: jaitf-edge probe NAME
""",
)
