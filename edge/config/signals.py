"""What `[[signals]]` must keep to beyond their own keys: device and output are there, and nothing is fought over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge.config.model import DeviceConfig, SignalKind, SignalToml
from edge.config.problems import Problem, TomlFile, nearest


def problems(file: TomlFile, signals: Sequence[SignalToml], devices: Sequence[DeviceConfig]) -> Iterator[Problem]:
    """Check every signal against the devices, and against the others of its output."""
    by_name = {device.name: device for device in devices}
    first: dict[tuple[str, str], SignalToml] = {}
    names: set[str] = set()
    for index, signal in enumerate(signals):
        if signal.name in names:
            yield file.problem(("signals", index, "name"), "another signal has this name")
        names.add(signal.name)
        device = by_name.get(signal.device)
        if device is None:
            hint = nearest(signal.device, by_name)
            yield file.problem(("signals", index, "device"), f"no device is called {signal.device}", hint)
            continue
        yield from _output(file, index, signal, device.settings.outputs())
        other = first.setdefault((signal.device, signal.output), signal)
        if other.fail_safe is not signal.fail_safe:
            yield file.problem(("signals", index, "fail_safe"), f"{other.name} says otherwise of the same output")
        for position, name in enumerate(signal.devices):
            if name not in by_name:
                where = ("signals", index, "devices", position)
                yield file.problem(where, f"no device is called {name}", nearest(name, by_name))
        if signal.kind is SignalKind.DIVERT:
            said = f"asks the belt to divert; {signal.authorised_by} has authorised it"
            yield file.warning(("signals", index, "kind"), said)


def _output(file: TomlFile, index: int, signal: SignalToml, outputs: frozenset[str]) -> Iterator[Problem]:
    if signal.output not in outputs:
        there = ", ".join(sorted(outputs)) or "none: a Modbus point with writable = true is one"
        said = f"{signal.device} has no output {signal.output!r}; there is {there}"
        yield file.problem(("signals", index, "output"), said, nearest(signal.output, outputs))
