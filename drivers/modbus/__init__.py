"""The `modbus` driver: points of a Modbus device, polled over TCP, TLS or a serial line, by declaration."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="modbus",
    summary="registers and contacts of Modbus devices, by profile: portal monitors, remote I/O, counters; lamps",
    settings="drivers.modbus.settings:ModbusSettings",
    driver="drivers.modbus.driver:ModbusDriver",
    profiles="drivers.modbus.profiles:Profile",
    finder="drivers.modbus.find:attempts",
    pictures=False,
    example="""\
driver = "modbus"

[settings]
url = "tcp://10.0.0.5:502"
unit = 1
poll_ms = 20

[[settings.points]]
name = "counter"
table = "holding"        # holding | input | coil | discrete
address = 0              # as on the wire, from 0: what many manuals call 40001 is holding 0
type = "uint16"          # bool | uint16 | int16 | uint32 | int32 | float32
alarm = "on_change"      # on_change | nonzero | bits | above | below

[[settings.points]]
name = "gate"
table = "discrete"
address = 3
alarm = "nonzero"
label = "metal detector"
severity = "high"
""",
    wiring="""\
Ethernet to the device's Modbus/TCP port (502), on the lane's own network: Modbus has no password; tls:// (802) has.
RS-485: serial:///dev/serial/by-id/NAME?baud=9600&parity=none; several units on one line are [[settings.units]].
Dry contacts (metal detector, alert button) go to a remote I/O module; wire them normally closed, and where the module
counts pulses, watch the counter: a pulse shorter than a poll is then still seen.
Try it from the appliance: mbpoll -m tcp -0 -a 1 -r 0 -c 1 -t 4 -1 10.0.0.5
""",
)
