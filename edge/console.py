"""The console's side of the appliance: every message on `down/` but receipts goes to the room that deals with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from drivers.clock import Clock
from edge.commands.authority import ConsoleKeys
from edge.commands.desk import Desk, Handler
from edge.config.model import Config
from edge.courier import Courier
from edge.courier.link import Incoming
from edge.down import COMMAND
from edge.event import Identity
from edge.ledger import Ledger

log = logging.getLogger("jaitf.console")


class ConsoleSide:
    """Routes what the console sends. Raises ConfigError for a list of console keys that cannot be read."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        ledger: Ledger,
        courier: Courier,
        clock: Clock,
        handlers: Mapping[str, Handler],
    ) -> None:
        keys_file = config.console.command_keys_file
        keys = ConsoleKeys.read(keys_file) if keys_file else None
        self._desk = Desk(identity, ledger, clock, keys, handlers, courier.send)
        self._rooms: dict[str, Callable[[Incoming], None]] = {COMMAND: self._desk.take}
        courier.on_down = self.take

    def take(self, rest: str, message: Incoming) -> None:
        """Take a message on `down/` and `rest`, in the event loop."""
        room = self._rooms.get(rest.partition("/")[0])
        if room is None:
            log.debug("nothing listens on %s", message.topic)
        else:
            room(message)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._desk.run()
