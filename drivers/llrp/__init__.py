"""The `llrp` driver: UHF tag readers that speak LLRP 1.0.1."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="llrp",
    summary="UHF tag readers over LLRP: tags of dogs, handlers and bags; the reader's inputs, for an alert button",
    settings="drivers.llrp.settings:LlrpSettings",
    driver="drivers.llrp.driver:LlrpDriver",
    finder="drivers.llrp.find:attempts",
    pictures=False,
    example="""\
driver = "llrp"

[settings]
url = "tcp://10.0.0.7:5084"
# antennas = [1, 2]              # all where none is named
# min_rssi_dbm = -65             # leaves out what is only just in reach

[[settings.gpi]]                 # the handler's button, on the reader's first input
port = 1
label = "canine alert"
on = "high"                      # the level when it is pressed
severity = "high"
""",
    wiring="""\
Ethernet to the reader's LLRP port (5084), on the lane's own network: LLRP has no password. A reader takes one client.
A button goes between an input and the reader's supply or ground, as its manual shows; `on` is the level when pressed.
Antenna power and country are set on the reader's own page. Aim so that the next lane's tags are not in view.
Try it from the appliance: jaitf-edge probe NAME
""",
)
