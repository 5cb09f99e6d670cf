"""The command line in this process: what it prints, and its exit status."""

import sys
from dataclasses import dataclass

import pytest

from edge.cli.app import main


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run `jaitf-edge ARGUMENTS`."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["jaitf-edge", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Ran(ended.value.code, printed.out, printed.err)

    return run
