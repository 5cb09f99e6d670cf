"""The inference server: whether it is there, and whether its models are the packages'."""

from __future__ import annotations

import time
from collections.abc import Iterator

from drivers.errors import ConfigError, EdgeError, LinkError, ModelError
from edge.config.model import Config
from edge.doctor.finding import Finding, fail, ok, warn
from edge.modelserver import server_of


def server(config: Config) -> Iterator[Finding]:
    """Say whether the server would be believed, by the same proof that the appliance asks of it."""
    asked = server_of(config.inference)
    if asked is None:
        yield ok("none configured: the graphs run here")
        return
    import inference
    from inference.remote.belief import believe
    from inference.remote.wire import connect

    if config.inference.server_insecure and not asked.place.tls:
        yield warn(f"{asked.url}: pictures travel in clear text", "use https:// or grpcs://")
    for name in sorted({device.model for device in config.devices if device.enabled and device.model}):
        try:
            model = inference.load(name, config.inference.threads, config.inference.model_keys_file)
        except ModelError:
            continue  # the check of the models says so
        called = asked.model or model.name
        started = time.perf_counter()
        try:
            wire = connect(asked)
            try:
                version = believe(wire, called, model.manifest, model.described, model.proofs(), asked.timeout_s)
            finally:
                wire.close()
        except EdgeError as error:
            # Not a failure of the box: scans are judged, and no update or image is taken back for a server's sake.
            grade = fail if isinstance(error, ConfigError) else warn
            yield grade(f"{asked.url}: {called}: {error}", _mend(error))
        else:
            ms = (time.perf_counter() - started) * 1000
            which = f" {version}" if version else ""
            yield ok(f"{asked.url}: {called}{which} answers as {model.name} {model.version} does here ({ms:.0f} ms)")


def _mend(error: EdgeError) -> str:
    """Return what to try; the local graph judges meanwhile."""
    if isinstance(error, ConfigError):
        return "put a readable file there, closed to other users"
    if isinstance(error, LinkError):
        return "check inference.server, the network and the server; scans are judged here meanwhile"
    return "put the package's own model.onnx on the server, under its version; scans are judged here meanwhile"
