"""The flame graph leaves out what waits, and shows no path of the machine that drew it."""

from __future__ import annotations

import re

from benchmarks.flame import drawn

RAW = """\
<module> (jaitf-edge:1);main (edge/cli/app.py:97);Judge.run (edge/judge.py:1);work<a> (inference/model.py:2) 30
Thread._bootstrap (threading.py:988);Ledger._run (edge/ledger/ledger.py:169);Ledger._gather (edge/ledger/ledger.py:1) 60
Thread._bootstrap (threading.py:988);Ledger._run (edge/ledger/ledger.py:169);Ledger._write (edge/ledger/ledger.py:2) 10
"""


def test_what_works_is_drawn_by_its_share_and_what_waits_is_not():
    svg = drawn(RAW)
    titles = dict(re.findall(r"<title>(.*?): ([\d.]+%)</title>", svg))
    assert titles == {
        "Judge.run (edge/judge.py:1)": "75.0%",
        "work&lt;a&gt; (inference/model.py:2)": "75.0%",
        "Ledger._run (edge/ledger/ledger.py:169)": "25.0%",
        "Ledger._write (edge/ledger/ledger.py:2)": "25.0%",
    }
