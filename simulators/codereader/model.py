"""What is held before a simulated reader: tags, boarding passes, parcels, documents. Nobody in it exists."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

AIRLINES = (("AF", "057"), ("SN", "082"), ("TK", "235"), ("ET", "071"), ("KP", "167"))
PLACES = ("LFW", "CDG", "BRU", "IST", "ADD", "ABJ", "DKR")
#: Doc 9303's own example names; UTO is its country that does not exist.
NAMES = ("ERIKSSON<<ANNA<MARIA", "STEVENSON<<PETER<JOHN", "SIMULATED<<PASSENGER")


def check_digit(text: str) -> str:
    """Return the 7-3-1 check digit of a machine readable field."""
    worth = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    total = 0
    for place, char in enumerate(text):
        total += (worth.find(char) if char != "<" else 0) * [7, 3, 1][place % 3]
    return str(total % 10)


def passport(name: str, number: str, born: date, expires: date) -> tuple[str, str]:
    """Return the two lines of a consistent TD3 passport of UTO."""

    def with_check(text: str) -> str:
        return text + check_digit(text)

    first = f"P<UTO{name}".ljust(44, "<")
    dates = with_check(born.strftime("%y%m%d")), with_check(expires.strftime("%y%m%d"))
    head, personal = with_check(number.ljust(9, "<")), with_check("<" * 14)
    composite = check_digit(head + dates[0] + dates[1] + personal)
    return first, f"{head}UTO{dates[0]}F{dates[1]}{personal}{composite}"


def boarding_pass(carrier: str, number: int, day: date, sequence: int, route: tuple[str, str]) -> str:
    """Return a boarding pass of one leg and no conditional fields (Resolution 792)."""
    name = "SIMULATED/PASSENGER".ljust(20)[:20]
    leg = (
        f"{'SIM001':<7}{route[0]}{route[1]}{carrier:<3}{number:04d} {day.timetuple().tm_yday:03d}Y012A{sequence:04d} 1"
    )
    return f"M1{name}E{leg}00"


def postal_item(serial: int, service: str = "RR", country: str = "TG") -> str:
    """Return a postal identifier (S10) with its check digit."""
    digits = f"{serial:08d}"
    rest = 11 - sum(int(d) * w for d, w in zip(digits, (8, 6, 4, 2, 3, 5, 9, 7), strict=True)) % 11
    return f"{service}{digits}{0 if rest == 10 else 5 if rest == 11 else rest}{country}"


def sscc(serial: int) -> str:
    """Return a serial shipping container code of GS1's example company, with its check digit."""
    digits = f"10614141{serial:09d}"
    odd, even = (sum(map(int, digits[start::2])) for start in (0, 1))
    return f"{digits}{-(3 * odd + even) % 10}"


@dataclass(frozen=True)
class Desk:
    """What comes before the reader, by number; the same `seed` gives the same.

    `kinds` in turn: tag, pass, parcel, label, document. Labels declare `around_kg`, give or take 3 %. Every so many
    documents one is `forged`: a digit of its number is another than its check digits say.
    """

    seed: int = 1
    kinds: tuple[str, ...] = ("tag",)
    forged_every: int = 0
    today: date = date(2026, 11, 21)
    around_kg: float = 12.0

    def codes(self, number: int) -> tuple[tuple[str, str], ...]:
        """Return what is read of thing `number`: AIM symbology and text, several for a document's lines."""
        chance = random.Random(f"{self.seed} {number}")
        kind = self.kinds[number % len(self.kinds)]
        carrier, airline = chance.choice(AIRLINES)
        if kind == "tag":
            return (("I0", f"0{airline}{chance.randrange(1_000_000):06d}"),)
        if kind == "pass":
            route = chance.sample(PLACES, 2)
            text = boarding_pass(
                carrier, chance.randrange(1, 9999), self.today, chance.randrange(1, 300), (route[0], route[1])
            )
            return (("L0", text),)
        if kind == "parcel":
            return (("C0", postal_item(chance.randrange(100_000_000))),)
        if kind == "label":
            declared_kg = self.around_kg * chance.uniform(0.97, 1.03)
            return (("C1", f"00{sscc(number)}3302{round(declared_kg * 100):06d}"),)
        return tuple(("o1", line) for line in self.document(number))

    def document(self, number: int) -> tuple[str, str]:
        """Return the lines of a passport that is valid for years, and consistent unless it is a forged one."""
        chance = random.Random(f"{self.seed} {number}")
        born = self.today - timedelta(days=chance.randrange(7_000, 25_000))
        expires = self.today + timedelta(days=chance.randrange(100, 3_000))
        serial = f"L{chance.randrange(10**8):08d}"
        first, second = passport(chance.choice(NAMES), serial, born, expires)
        if self.forged(number):
            second = second[:4] + str((int(second[4]) + 1) % 10) + second[5:]
        return first, second

    def forged(self, number: int) -> bool:
        """Return whether document `number` is a forged one."""
        if self.forged_every < 1 or self.kinds[number % len(self.kinds)] != "document":
            return False
        return number // len(self.kinds) % self.forged_every == self.forged_every - 1
