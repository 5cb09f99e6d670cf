"""What the technician's page may order: one table, and one way, which checks and audits as it does a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.commands.args import COMMANDS, Args
from edge.commands.desk import Answer, Call, Desk, Handler
from edge.commands.thresholds import ThresholdArgs
from edge.messages import Reply

ORDERS: dict[str, type[Args]] = {
    **{
        name: COMMANDS[name]
        for name in (
            *("selftest", "diagnostics", "device.restart", "device.disable", "device.enable"),
            *("config.stage", "config.commit", "config.rollback"),
        )
    },
    "threshold.set": ThresholdArgs,
}
"""Every order there is."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Has orders done at the desk of the console's commands, one after the other with those."""

    desk: Callable[[], Desk]
    handlers: Mapping[str, Handler]

    async def order(self, name: str, by: str, args: dict[str, Any]) -> Reply:
        """Return what became of an order."""
        handler, args_class = self.handlers.get(name, _unknown), ORDERS.get(name)
        if args_class is None:
            handler, args_class, args = _unknown, Args, {}
        return await self.desk().order(name, by, args, args_class, handler)


async def _unknown(call: Call) -> Answer:
    return Answer("rejected", "unknown-order", f"there is no order {call.name!r}")
