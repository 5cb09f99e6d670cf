"""Lines for the journal: what they carry, and that they survive the protocol whatever is in them."""

import logging
import os
import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import journal


def decoded(datagram):
    """Return a datagram's fields, read as systemd.io/JOURNAL_NATIVE_PROTOCOL says, by nothing of ours."""
    found, rest = {}, datagram
    while rest:
        head, _, rest = rest.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + size], rest[9 + size :]
        found[name.decode()] = value.decode()
    return found


@pytest.fixture
def heard(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(5)
        logger = logging.Logger("jaitf.device")
        handler = journal.JournalHandler(tmp_path / "journal", {"device": "xray-1"})
        logger.addHandler(handler)
        yield logger, lambda: decoded(listener.recv(65536))
        handler.close()


def test_a_line_has_its_level_its_device_and_its_hit(heard):
    logger, line = heard
    logger.warning("%s: down", "xray-1", extra={"hit_id": "019d", "code": "link-lost"})
    said = line()
    assert (said["MESSAGE"], said["PRIORITY"], said["LOGGER"]) == ("xray-1: down", "4", "jaitf.device")
    assert (said["JAITF_DEVICE"], said["JAITF_HIT_ID"], said["JAITF_CODE"]) == ("xray-1", "019d", "link-lost")


def test_what_the_line_says_goes_before_what_the_process_is(heard):
    logger, line = heard
    logger.info("of another", extra={"device": "k9-1"})
    assert line()["JAITF_DEVICE"] == "k9-1"


def test_a_traceback_goes_as_one_line_of_several(heard):
    logger, line = heard
    try:
        raise ValueError("seven")
    except ValueError:
        logger.exception("failed")
    assert line()["MESSAGE"].splitlines()[-1] == "ValueError: seven"


def test_without_a_journal_the_line_goes_to_standard_error(tmp_path, capsys):
    logger = logging.Logger("jaitf.core")
    handler = journal.JournalHandler(tmp_path / "nobody")
    logger.addHandler(handler)
    logger.error("lost %d", 7)
    handler.close()
    assert capsys.readouterr().err == "<3>jaitf.core: lost 7\n"


@given(st.dictionaries(st.from_regex(r"\A[A-Z][A-Z_]{0,9}\Z"), st.text(st.characters(codec="utf-8"), max_size=60)))
def test_any_text_survives(table):
    assert decoded(journal.encoded(table)) == table


def test_a_text_without_end_is_cut():
    assert len(journal.encoded({"MESSAGE": "x" * 10_000_000})) < 20_000


def test_standard_error_is_the_journal_only_where_systemd_says_so_of_this_very_file(monkeypatch, tmp_path):
    with (tmp_path / "stderr").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        stat = os.fstat(file.fileno())
        assert journal.is_stderr({"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
        assert not journal.is_stderr({"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino + 1}"})
        assert not journal.is_stderr({})
