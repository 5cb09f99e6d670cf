"""What waits for the rest of its scan: on the disk first, joined in order, never lost, given up in time."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import Energy, Scan
from drivers.dicos import codec, joined
from drivers.dicos import joiner as module
from drivers.dicos.joiner import Group, Joiner, Part, Plan, arranged
from drivers.dicos.known import MAX_KNOWN, Known
from drivers.errors import ProtocolError, StoreFull
from drivers.folder import codec as folder
from simulators.dicosfiles import made
from tests.core import FakeClock

AT = FakeClock().now()
TWO = Plan(views=2, dual_energy=False, join_s=4)
PAIR = Plan(views=1, dual_energy=True, join_s=4)


def stored(number: int, kind: str = "HIGH ENERGY", scan_id: str = "1.2.3", **attributes: Any) -> Scan:
    """An object as `read_stored` gives it: values unlike any other's."""
    values = np.full((6, 4), 1000 + number, np.uint16)
    instance = f"1.2.3.{number}"
    file = made(
        values,
        **{
            "SOPInstanceUID": instance,
            "StudyInstanceUID": scan_id,
            "InstanceNumber": number,
            "ImageType": ["ORIGINAL", kind],
            **attributes,
        },
    )
    _, start = codec.file_meta(file)
    return codec.read_stored(
        file[start:], "1.2.840.10008.5.1.4.1.1.501.2.2", instance, "1.2.840.10008.1.2.1", FakeClock().now()
    )


class Bench:
    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan, self.clock = folder / "waiting", plan, FakeClock()
        self.joiner = Joiner(self.folder, plan, self.clock)

    def restarted(self) -> Bench:
        self.joiner = Joiner(self.folder, self.plan, self.clock)
        self.joiner.load()
        return self

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.dcs"))

    def whole(self, *scans: Scan) -> Group:
        groups = [self.joiner.put(scan) for scan in scans]
        assert not any(groups[:-1])
        assert groups[-1] is not None
        return groups[-1]


def first_values(scan: Scan) -> list[int]:
    return [int.from_bytes(bytes(picture.data[:2]), "little") for picture in scan.pictures]


def test_two_views_are_one_scan_in_order_of_instance_number(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    second, first = stored(2), stored(1)
    group = bench.whole(second, first)
    scan = bench.joiner.scan(group)
    assert [picture.view for picture in scan.pictures] == [0, 1] and first_values(scan) == [1001, 1002]
    assert (scan.scan_id, scan.item.id, scan.incomplete, scan.problem) == ("1.2.3", "0220123456", None, None)
    assert scan.media_type == "application/zip"
    kept = joined.parted(scan.original)
    assert [sha256(data).hexdigest() for _, data in kept] == [
        sha256(scan.original).hexdigest() for scan in (first, second)
    ], "every object bit for bit"
    assert joined.images(bytes(scan.original), scan.media_type) == (
        ("1.2.840.10008.5.1.4.1.1.501.2.2", "1.2.3.1"),
        ("1.2.840.10008.5.1.4.1.1.501.2.2", "1.2.3.2"),
    )
    assert sorted(bench.joiner.done(group)) == sorted([first.key, second.key])
    assert not bench.files() and not bench.joiner.due()


def test_the_same_objects_make_the_same_scan_in_whatever_order_they_come(tmp_path: Path) -> None:
    one, other = Bench(tmp_path / "a", TWO), Bench(tmp_path / "b", TWO)
    scans = [
        bench.joiner.scan(bench.whole(*(stored(n) for n in numbers)))
        for bench, numbers in ((one, (1, 2)), (other, (2, 1)))
    ]
    assert scans[0].key == scans[1].key and scans[0].original == scans[1].original


def test_low_and_high_energy_are_one_view(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PAIR)
    group = bench.whole(stored(2), stored(1, "LOW ENERGY"))
    scan = bench.joiner.scan(group)
    assert [(p.view, p.energy) for p in scan.pictures] == [(0, Energy.LOW), (0, Energy.HIGH)]
    assert [instance for _, instance in joined.images(bytes(scan.original), scan.media_type)] == ["1.2.3.2"]


def test_two_low_energies_are_no_pair(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PAIR)
    assert bench.joiner.put(stored(1, "LOW ENERGY")) is None
    assert bench.joiner.put(stored(2, "LOW ENERGY")) is None
    assert bench.joiner.put(stored(3)) is not None


def test_what_is_missing_is_said_once_the_time_is_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    assert bench.joiner.put(stored(1)) is None
    assert not bench.joiner.due()
    bench.clock.advance(4)
    (group,) = bench.joiner.due()
    assert not bench.joiner.due(), "it is given out once"
    scan = bench.joiner.scan(group)
    assert scan.incomplete == "1 of 2 pictures came within 4 s"
    assert scan.media_type == codec.MEDIA_TYPE and scan.pictures


def test_what_the_core_does_not_take_is_emitted_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    group = bench.whole(stored(1), stored(2))
    bench.joiner.again(group)
    bench.clock.advance(module.RETRY_S)
    assert bench.joiner.due() == [group] and len(bench.files()) == 2


def test_an_object_that_comes_twice_waits_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    assert bench.joiner.put(stored(1)) is None
    assert bench.joiner.put(stored(1)) is None
    assert len(bench.files()) == 1


def test_what_waits_survives_the_process(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    bench.joiner.put(stored(1))
    (folder,) = bench.folder.iterdir()
    (folder / "01-torn.dcs.partial").write_bytes(b"half")
    bench = bench.restarted()
    assert not (folder / "01-torn.dcs.partial").exists()
    scan = bench.joiner.scan(bench.whole(stored(2)))
    assert first_values(scan) == [1001, 1002]


def test_a_scan_that_was_whole_when_the_process_ended_is_emitted_when_its_time_is_over(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    bench.whole(stored(1), stored(2))
    bench = bench.restarted()
    bench.clock.advance(4)
    (group,) = bench.joiner.due()
    assert bench.joiner.scan(group).incomplete is None


def test_an_object_that_comes_while_its_scan_is_with_the_core_is_refused_and_not_lost(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    group = bench.whole(stored(1), stored(2))
    with pytest.raises(StoreFull):
        bench.joiner.put(stored(3))
    assert bench.joiner.put(stored(2)) is None, "the one that is with the core waits on the disk already"
    bench.joiner.done(group)
    assert bench.joiner.put(stored(3)) is None and len(bench.files()) == 1


def test_scans_do_not_mix(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    assert bench.joiner.put(stored(1)) is None
    assert bench.joiner.put(stored(2, scan_id="1.2.4")) is None
    assert bench.joiner.scan(bench.whole(stored(3, scan_id="1.2.4"))).scan_id == "1.2.4"


def test_more_than_there_is_room_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 100)
    bench = Bench(tmp_path, TWO)
    assert bench.joiner.put(stored(1)) is None
    with pytest.raises(StoreFull):
        bench.joiner.put(stored(2, scan_id="1.2.4"))


def test_a_projected_threat_in_one_view_marks_the_scan(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TWO)
    scan = bench.joiner.scan(bench.whole(stored(1), stored(2, TIPType="FTI", ScanType="NON_OPERATIONAL")))
    assert (scan.tip_type, scan.scan_type) == ("FTI", "NON_OPERATIONAL")


@given(st.lists(st.tuples(st.sampled_from(list(Energy)), st.integers(0, 4)), max_size=8), st.booleans())
def test_every_object_is_in_one_view_and_no_view_is_empty(kinds: list[tuple[Energy, int]], dual: bool) -> None:
    parts = [Part(str(n), energy, number, Path("x"), 1) for n, (energy, number) in enumerate(kinds)]
    views = arranged(parts, dual)
    assert sorted(part.key for view in views for part in view) == sorted(part.key for part in parts)
    assert all(1 <= len(view) <= 2 for view in views)
    assert all({part.energy for part in view} == {Energy.LOW, Energy.HIGH} for view in views if len(view) == 2)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parting(data: bytes) -> None:
    assert joined.images(data, joined.MEDIA_TYPE) == ()


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_what_is_joined_is_parted_again(objects: list[bytes]) -> None:
    named = [(f"{n:02d}-high.dcs", data) for n, data in enumerate(objects)]
    assert joined.parted(joined.join(named)) == named
    assert joined.join(named) == joined.join(named)


def test_what_is_known_outlives_the_process_and_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "known.jsonl"
    known = Known(file)
    for number in range(0, 3 * MAX_KNOWN, 64):
        known.add([str(n) for n in range(number, number + 64)], f"whole {number}")
    again = Known(file)
    assert again.get(str(3 * MAX_KNOWN - 1)) == known.get(str(3 * MAX_KNOWN - 1)) == f"whole {3 * MAX_KNOWN - 64}"
    assert again.get("0") is None
    file.write_text(file.read_text()[:-7])
    torn = Known(file)
    torn.add(["new"], "whole")
    assert Known(file).get("new") == "whole"


def test_the_evidence_of_a_joined_scan_is_read_again_as_it_was_judged(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Plan(views=2, dual_energy=True, join_s=4))
    kinds = ("LOW ENERGY", "HIGH ENERGY")
    scan = bench.joiner.scan(bench.whole(*(stored(n, kinds[n % 2], InstanceNumber=n // 2) for n in range(4))))
    again = folder.read(bytes(scan.original), "original.zip", AT)
    assert [(p.view, p.energy, bytes(p.data)) for p in again.pictures] == [
        (p.view, p.energy, bytes(p.data)) for p in scan.pictures
    ]
    assert (again.scan_id, again.media_type, again.original) == (scan.scan_id, scan.media_type, scan.original)


def test_a_strangers_zip_is_no_scan() -> None:
    with pytest.raises(ProtocolError):
        folder.read(joined.join([("00-high.dcs", b"GIF89a")]), "x.zip", AT)
    with pytest.raises(ProtocolError):
        folder.read(b"PK\x03\x04" + bytes(50), "x.zip", AT)
