"""A command on a terminal of its own: keys go in, and the screen is read as a person sees it."""

import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl

import pyte

ROWS, COLUMNS = 60, 110
DEADLINE_S, AGAIN_S = 60.0, 5.0
ENTER, DOWN, UP, CTRL_C, CTRL_U = "\r", "\x1b[B", "\x1b[A", "\x03", "\x15"


class Terminal:
    """One command's screen."""

    def __init__(self, master: int, process: subprocess.Popen) -> None:
        self._master = master
        self.process = process
        self._screen = pyte.HistoryScreen(COLUMNS, ROWS, history=2000)
        self._stream = pyte.ByteStream(self._screen)
        self._screen.write_process_input = lambda data: os.write(master, data.encode())  # where the cursor is

    @property
    def text(self) -> str:
        """What the screen shows, and what has scrolled out of it."""
        above = ["".join(line[x].data for x in range(COLUMNS)).rstrip() for line in self._screen.history.top]
        return "\n".join([*above, *(line.rstrip() for line in self._screen.display)])

    def keys(self, *pressed: str) -> None:
        """Press keys; text is typed."""
        for key in pressed:
            os.write(self._master, key.encode())

    def until(self, *texts: str, after: str = "", again: Callable[[], object] = lambda: None) -> None:
        """Return once all the texts are on the screen, below the first `after`; where lines break does not count.

        `again` is done now and every few seconds, until then.
        """
        deadline, due = time.monotonic() + DEADLINE_S, 0.0
        while not all(text in self._words(after) for text in texts):
            assert time.monotonic() < deadline, f"not on the screen: {texts}\n{self.text}"
            if time.monotonic() >= due:
                due = time.monotonic() + AGAIN_S
                again()
            self._look(0.2)

    def forget(self) -> None:
        """Clear the screen, and what has scrolled out of it: what follows is looked for in what comes from now on."""
        self._screen.history.top.clear()
        self._screen.reset()

    def until_one(self, *texts: str) -> str:
        """Return the first of the texts that is on the screen, once one is."""
        deadline = time.monotonic() + DEADLINE_S
        while not (shown := [text for text in texts if text in self._words("")]):
            assert time.monotonic() < deadline, f"none of them on the screen: {texts}\n{self.text}"
            self._look(0.2)
        return shown[0]

    def _words(self, after: str) -> str:
        words = " ".join(self.text.split())
        return words.partition(after)[2] if after else words

    def ended(self) -> int:
        """Return the exit status once the command has ended."""
        deadline = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"goes on:\n{self.text}"
            self._look(0.1)
        while self._look(0.0):  # a terminal gives a few kilobytes at a time
            pass
        return self.process.returncode

    def _look(self, seconds: float) -> bool:
        """Take what comes within so long; say whether something came."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            self._stream.feed(os.read(self._master, 65_536))
        except OSError:
            time.sleep(seconds)  # the command has closed its end
            return False
        return True


@contextmanager
def running(*arguments: object) -> Iterator[Terminal]:
    """Run `jaitf-edge ARGUMENTS` on a terminal."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    environment = os.environ | {"TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    terminal = Terminal(master, process)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)
