"""The appliance under trial: its configuration, its process, its ledger seen from outside."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.torture.trial import Broken

ROOT = Path(__file__).resolve().parents[2]
READY_DEADLINE_S = 90.0
END_DEADLINE_S = 30.0
GONE_DEADLINE_S = 30.0
POLL_S = 0.01

SITE, EDGE = "lfw", "edge-01"


def wait_for(what: str, ready: Any, deadline_s: float, poll_s: float = POLL_S) -> Any:
    """Return the first true result of `ready()`; raises Broken where none comes before the deadline."""
    until = time.monotonic() + deadline_s
    while not (result := ready()):
        if time.monotonic() > until:
            raise Broken(f"{what}: not within {deadline_s:.0f} s")
        time.sleep(poll_s)
    return result


def _signed(payload: bytes, key: Ed25519PublicKey) -> bool:
    """Return whether an event's signature is over the RFC 8785 form of the rest of it."""
    try:
        event = json.loads(payload)
        value = event["data"].pop("signature")["value"]
        key.verify(base64.urlsafe_b64decode(value + "=="), rfc8785.dumps(event))
    except (ValueError, KeyError, TypeError, InvalidSignature):
        return False
    return True


def unsealed(payload: bytes) -> bytes:
    """Return what a hit's link is taken of: its event with zeros in place of the link, and without the signature."""
    head, mark, seal = payload.rpartition(b',"chain":{"prev":"')
    return head + mark + seal[:64] + b'","hash":"' + b"0" * 64 + b'"}}}' if mark else payload


class Box:
    """`jaitf-edge run` on a configuration in a folder of its own; `devices` are device files by name.

    `wrap` is a command that runs it (`ip netns exec ...`); `extra` are more lines for edge.toml; `path` comes first
    where Python looks for modules.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        devices: dict[str, str],
        *,
        data_dir: Path | None = None,
        console: str = "",
        extra: str = "",
        wrap: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        path: Path | None = None,
    ) -> None:
        self.folder = folder
        self.data_dir = data_dir or folder / "data"
        self.config = folder / "config"
        self.log_path = folder / "edge.log"
        self.url = url
        self._console = console
        self._extra = extra
        self._wrap = wrap
        python_path = [str(p) for p in (path, ROOT / "tests/thirdparty", ROOT) if p is not None]
        self._env = {**os.environ, "PYTHONPATH": os.pathsep.join(python_path), **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self._log_from = 0
        (self.config / "devices").mkdir(parents=True)
        self.configure(devices)

    def configure(self, devices: dict[str, str]) -> None:
        """Write the configuration; it counts from the next start."""
        (self.config / "edge.toml").write_text(
            '[web]\nlisten = ""\n'
            f'[appliance]\nsite = "{SITE}"\nlane = "t1"\nid = "{EDGE}"\ndata_dir = "{self.data_dir}"\n'
            f'[console]\nurl = "{self.url}"\n{self._console}\n{self._extra}\n'
        )
        for name, text in devices.items():
            (self.config / "devices" / f"{name}.toml").write_text(text)

    def quiet(self, *, enabled: bool = False) -> None:
        """Disable every device in the configuration (or enable them again); it counts from the next start."""
        for path in (self.config / "devices").glob("*.toml"):
            text = path.read_text().removeprefix("enabled = false\n")
            path.write_text(text if enabled else f"enabled = false\n{text}")

    @property
    def pid(self) -> int:
        """The core's process."""
        assert self.process is not None
        return self._core().pid

    def _core(self) -> psutil.Process:
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def start(self, *, ready: bool = True) -> None:
        """Start it; with `ready`, return once it says so."""
        self._log_from = self.log_path.stat().st_size if self.log_path.exists() else 0
        command = [*self._wrap, sys.executable, "-m", "edge", "run", "--config", str(self.config)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, cwd=self.folder
            )
        if ready:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Return once the appliance says that it is ready."""
        wait_for("the appliance is ready", lambda: self._said("ready:") or self._ended_early(), READY_DEADLINE_S)

    def _said(self, words: str) -> bool:
        return words in self.log_since()

    def _ended_early(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise Broken(f"the appliance ended with {self.process.returncode}:\n{self.log_since()[-2000:]}")
        return False

    def log_since(self) -> str:
        """Return what it said since its last start."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(self._log_from)
            return log.read().decode(errors="replace")

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def family(self) -> list[psutil.Process]:
        """Return the processes below the core: the nursery and the devices'."""
        try:
            return self._core().children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def device_pid(self, name: str) -> int | None:
        """Return the process of a device, None where there is none now."""
        for process in self.family():
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[:1] == [f"jaitf-edge-device {name}"] and process.status() != "zombie":
                    return process.pid
        return None

    def rss_bytes(self) -> int:
        """Return the core's memory."""
        return int(self._core().memory_info().rss)

    def kill(self) -> None:
        """SIGKILL to the core alone; everything below it must be gone soon."""
        family = self.family()
        assert self.process is not None
        self._core().kill()
        self.process.wait(END_DEADLINE_S)
        self._gone(family)

    def suspend(self) -> None:
        """SIGSTOP to the core and everything below it, as the lights go out."""
        for process in (self._core(), *self.family()):
            with contextlib.suppress(psutil.Error):
                process.suspend()

    def stop(self) -> None:
        """SIGTERM, and an orderly end."""
        if self.process is None or self.process.poll() is not None:
            return
        family = self.family()
        self._core().send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(END_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Broken(f"the appliance did not stop within {END_DEADLINE_S:.0f} s") from None
        self._gone(family)
        if status != 0:
            raise Broken(f"the appliance stopped with status {status}:\n{self.log_since()[-2000:]}")

    @staticmethod
    def _gone(family: list[psutil.Process]) -> None:
        _, left = psutil.wait_procs(family, GONE_DEADLINE_S)
        if left:
            raise Broken(f"processes outlive the core: {left}")

    def end(self) -> None:
        """End it however it is; for cleaning up."""
        if self.process is not None and self.process.poll() is None:
            for process in (*self.family(), self._core()):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            self.process.wait(END_DEADLINE_S)

    def command(self, *arguments: str) -> str:
        """Return what a `jaitf-edge` command prints; raises Broken where it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "edge", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            env=self._env,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise Broken(f"jaitf-edge {' '.join(arguments)} exits {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def hits(self) -> list[dict[str, Any]]:
        """Return every row of `jaitf-edge hits --json`."""
        return [json.loads(line) for line in self.command("hits", "--json").splitlines()]

    def count(self, where: str = "1") -> int:
        """Return how many hits in the ledger meet an SQL condition, read beside the running appliance."""
        path = self.data_dir / "ledger.db"
        if not path.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            try:
                return int(db.execute(f"SELECT count(*) FROM hit WHERE {where}").fetchone()[0])
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return 0
                raise

    def broken_links(self) -> list[int]:
        """Return the numbers of the rows whose link in the chain, signature or evidence is not what it should be."""
        wrong, key = [], self._key()
        with contextlib.closing(sqlite3.connect(f"file:{self.data_dir / 'ledger.db'}?mode=ro", uri=True)) as db:
            start = int(db.execute("SELECT value FROM meta WHERE key='seq_start'").fetchone()[0])
            before = bytes(32)
            for seq, payload, raw, evidence, prev, link in db.execute(
                "SELECT seq, payload, raw, evidence, prev, hash FROM hit WHERE seq >= ? ORDER BY seq", (start,)
            ):
                parts = [before, *(hashlib.sha256(part or b"").digest() for part in (unsealed(payload), raw))]
                parts.append(bytes.fromhex(evidence or ""))
                if (
                    prev != before
                    or hashlib.sha256(b"".join(parts)).digest() != link
                    or not self._is_kept(evidence)
                    or (key is not None and not _signed(payload, key))
                ):
                    wrong.append(seq)
                before = link
        return wrong

    def _key(self) -> Ed25519PublicKey | None:
        path = self.data_dir / "signing.pem"
        if not path.exists():
            return None
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        return key.public_key()

    def _is_kept(self, digest: str | None) -> bool:
        if digest is None:
            return True
        path = self.data_dir / "evidence" / digest[:2] / digest
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
