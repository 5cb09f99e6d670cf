"""The dialogue's terminal: what is typed while nobody asks answers nothing."""

import os
import pty
import select
import termios
import tty

from edge.setup.terminal import Terminal


def test_keys_pressed_while_a_bar_is_shown_do_not_answer_the_next_question(monkeypatch):
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave, "r") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            before = termios.tcgetattr(slave)
            with Terminal().progress("at rest") as progressed:
                progressed(0.5, "leave it alone")
                assert not termios.tcgetattr(slave)[tty.LFLAG] & termios.ECHO
                assert termios.tcgetattr(slave)[tty.LFLAG] & termios.ISIG, "Ctrl-C still ends it"
                os.write(master, b"\n")
                assert select.select([slave], [], [], 60)[0]
            assert not select.select([slave], [], [], 0)[0]
            assert termios.tcgetattr(slave) == before
            os.write(master, b"\n")
            assert select.select([slave], [], [], 60)[0], "what is typed when it is over is heard"
    finally:
        os.close(master)
