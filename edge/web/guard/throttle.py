"""Slows the guessing of passwords without locking anybody out: every try is heard, after a growing wait.

A try waits before its password is looked at. The wait grows with the failures of its address, and with those of its
name; each minute one failure is forgotten, and a success forgets none, else whoever has one password could guess at
others in between. Of one address one try is heard at a time. Where somebody has signed in from an address before, only
the failures of that address count: who hammers a name from elsewhere does not keep its owner out.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

FREE = 3
"""Failures that cost nothing: a typing mistake is no attack."""

ADDRESS_MOST_S = 30.0
NAME_MOST_S = 10.0
FORGET_ONE_S = 60.0
MOST_FAILURES = 12.0
WAITING_OF_ADDRESS = 4
WAITING_OF_ALL = 64
_MAX_BUCKETS = 4096
_MAX_FAMILIAR = 1024
_IPV6_SITE_BITS = 64


class HeldOffError(Exception):
    """Too many tries wait already; try again after `retry_s`."""

    def __init__(self, retry_s: float) -> None:
        super().__init__()
        self.retry_s = retry_s


@dataclass(slots=True)
class Bucket:
    """The failures of one address or one name, which leak away; and whose turn it is."""

    failures: float = 0.0
    at_s: float = 0.0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def count(self, now_s: float) -> float:
        """Return how many failures are not forgotten yet."""
        return max(0.0, self.failures - max(0.0, now_s - self.at_s) / FORGET_ONE_S)

    def add(self, now_s: float) -> None:
        """Take one more failure."""
        self.failures, self.at_s = min(self.count(now_s) + 1, MOST_FAILURES), now_s


def wait_s(failures: float, most_s: float) -> float:
    """Return how long a try waits after so many failures: nothing, then 1 s, doubling, up to `most_s`."""
    return 0.0 if failures < FREE else float(min(2.0 ** (failures - FREE), most_s))


def place(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of a site, whose hosts anybody in it can be."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_SITE_BITS), strict=False))
    return str(found)


class Throttle:
    """One a page. Names and addresses are bounded: the ones that were quiet longest are forgotten first."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._addresses: OrderedDict[str, Bucket] = OrderedDict()
        self._names: OrderedDict[str, Bucket] = OrderedDict()
        self._familiar: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, name: str, address: str) -> AsyncIterator[None]:
        """Wait until a try may be heard. Raises HeldOffError where too many of its address, or of all, wait."""
        at = place(address)
        bucket = _bucket(self._addresses, at)
        crowded = self._waiting >= WAITING_OF_ALL and (name, at) not in self._familiar
        if bucket.waiting >= WAITING_OF_ADDRESS or crowded:
            raise HeldOffError(max(1.0, self.wait_s(name, address)))
        bucket.waiting += 1
        self._waiting += 1
        try:
            async with bucket.turn:
                if (wait := self.wait_s(name, address)) > 0:
                    await self._sleep(wait)
                yield
        finally:
            bucket.waiting -= 1
            self._waiting -= 1

    def wait_s(self, name: str, address: str) -> float:
        """Return how long the next try waits."""
        at, now = place(address), self._clock()
        by_address = wait_s(_bucket(self._addresses, at).count(now), ADDRESS_MOST_S)
        if (name, at) in self._familiar:
            return by_address
        return max(by_address, wait_s(_bucket(self._names, name).count(now), NAME_MOST_S))

    def failed(self, name: str, address: str) -> None:
        """Take that a try was wrong."""
        for bucket in (_bucket(self._addresses, place(address)), _bucket(self._names, name)):
            bucket.add(self._clock())

    def succeeded(self, name: str, address: str) -> None:
        """Take that a try was right: the address is known for the name from now on."""
        key = (name, place(address))
        self._familiar[key] = None
        self._familiar.move_to_end(key)
        while len(self._familiar) > _MAX_FAMILIAR:
            self._familiar.popitem(last=False)


def _bucket(buckets: OrderedDict[str, Bucket], key: str) -> Bucket:
    bucket = buckets.setdefault(key, Bucket())
    buckets.move_to_end(key)
    if len(buckets) > _MAX_BUCKETS:
        idle = next((k for k, each in buckets.items() if not each.waiting and k != key), None)
        if idle is not None:
            del buckets[idle]
    return bucket
