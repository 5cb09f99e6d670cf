"""Follows a page's commands in a shell, as its reader would; `python -m tests.follow PAGE FOLDER`.

A block marked `# window N` keeps running, as in a window of its own, and the next waits for its address to answer.
Each other block must end with 0. What the blocks said is on standard output as JSON, by the page's heading.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
WINDOW = re.compile(r"\s+# window \d+$", re.MULTILINE)
READY_PORT = {"mosquitto": 1883, "jaitf-console": 8090, "jaitf-edge run": 11112}
DEADLINE_S = 90


def commands(block: str) -> str:
    """Return what is typed: the lines behind a prompt."""
    return "\n".join(line[2:] for line in block.splitlines() if line.startswith("$ "))


def blocks(page: str) -> list[tuple[str, str, bool]]:
    """Return each block's heading, its commands, and whether it has a window of its own."""
    found = []
    for match in BLOCK.finditer(page):
        heading = re.findall(r"^## (.*)$", page[: match.start()], re.MULTILINE)[-1]
        found.append((heading, commands(WINDOW.sub("", match[1])), bool(WINDOW.search(match[1]))))
    return found


def wait_for(port: int) -> None:
    """Return once something listens there."""
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def main() -> int:
    """Follow the page; the exit status is 1 where a command failed."""
    page, folder = Path(sys.argv[1]).read_text(), Path(sys.argv[2])
    windows: list[subprocess.Popen[bytes]] = []
    said: dict[str, str] = {}
    try:
        for heading, typed, keeps_running in blocks(page):
            if keeps_running:
                with (folder / f"window-{len(windows)}.log").open("wb") as log:
                    windows.append(
                        subprocess.Popen(["bash", "-c", f"exec {typed}"], cwd=folder, stdout=log, stderr=log)
                    )
                wait_for(next(port for name, port in READY_PORT.items() if typed.startswith(name)))
                continue
            shell = ["bash", "-eu", "-c", typed]
            done = subprocess.run(shell, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
            said[heading] = said.get(heading, "") + done.stdout + done.stderr
            if done.returncode:
                sys.stderr.write(f"{heading}: {typed!r} ended with {done.returncode}\n{done.stdout}{done.stderr}")
                return 1
    finally:
        for window in reversed(windows):
            window.terminate()
            window.wait(DEADLINE_S)
    sys.stdout.write(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
