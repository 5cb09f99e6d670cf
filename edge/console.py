"""The console's side of the appliance: every message on `down/` but receipts goes to the room that deals with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from drivers.clock import Clock
from drivers.errors import StoreError
from edge.commands.authority import ConsoleKeys
from edge.commands.configuration import Configuration
from edge.commands.desk import Desk, Handler
from edge.config.model import Config
from edge.courier import Courier
from edge.courier.link import Incoming
from edge.dispositions import Dispositions
from edge.down import COMMAND, DISPOSITION, TARGETS
from edge.event import Identity
from edge.ledger import Ledger, inbox
from edge.targets import Targets

NOTES_S = 2.0

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
        targets: Targets,
        configuration: Configuration,
    ) -> None:
        keys_file = config.console.command_keys_file
        keys = ConsoleKeys.read(keys_file) if keys_file else None
        self._configuration = configuration
        self._data_dir = config.appliance.data_dir
        self._ledger = ledger
        self._clock = clock
        self.desk = Desk(identity, ledger, clock, keys, handlers, courier.send)
        self._rooms: dict[str, Callable[[Incoming], None]] = {
            COMMAND: self.desk.take,
            DISPOSITION: Dispositions(ledger, clock).take,
            TARGETS: targets.take,
        }
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
        async with asyncio.TaskGroup() as group:
            group.create_task(self.desk.run())
            group.create_task(self._configuration.run(self.desk))
            group.create_task(self._take_notes_up())

    async def _take_notes_up(self) -> None:
        """Write down what commands beside the appliance have left to be written."""
        while True:
            # The store's state says why it takes nothing; a note that cannot be removed is known when it comes again.
            with contextlib.suppress(StoreError, OSError):
                for path, note in await asyncio.to_thread(lambda: list(inbox.waiting(self._data_dir, self._clock))):
                    if note is not None:
                        await self._ledger.commit(note)
                    else:
                        log.warning("%s is no note of a command's, and is removed", path)
                    path.unlink(missing_ok=True)
            await asyncio.sleep(NOTES_S)
