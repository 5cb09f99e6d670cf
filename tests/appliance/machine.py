"""A bare Debian 12 that boots: systemd as process 1 in namespaces of its own, by systemd-nspawn, without a network.

Its root is an overlay: what a test does to it is gone with it, and the base below is made once (`base`).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.appliance.group import Group
from tests.mounts import clear, keep_to_ourselves

CACHE = Path(__file__).parents[2] / ".cache" / "appliance"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "udev", "python3", "mosquitto", "mosquitto-clients", "socat", "openssl")
"""What is on the base beside Debian's essential packages: an init, the interpreter, and a broker for the tests."""
NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nsenter": "util-linux",
    "dpkg-deb": "dpkg",
}
BOOT_S = 120.0
LOOK_S = 0.2
_NUMBERS = itertools.count(1)


def why_not() -> str:
    """Return why such a machine cannot be had here, "" where it can."""
    if os.geteuid() != 0:
        return "it takes root: systemd-nspawn, mount and mmdebstrap make a machine"
    for command, package in NEEDED.items():
        if shutil.which(command) is None:
            return f"no {command} here: scripts/setup appliance installs {package}"
    with contextlib.suppress(OSError):
        probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
        return f"no namespaces here: {probe.stderr.strip()}" if probe.returncode else ""
    return "no unshare here"


def base() -> Path:
    """Return the root of a bare Debian 12, made when it is not there yet or is to hold other packages."""
    digest = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    root = CACHE / f"debian-12-{digest}"
    if not root.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = root.with_suffix(".part")
        keep_to_ourselves()  # it mounts this machine's /dev/shm within
        for other in CACHE.glob("debian-12-*"):
            clear(other)
        options = ["--quiet", "--variant=apt", f"--include={','.join(PACKAGES)}"]
        options += ["--aptopt=APT::Install-Recommends false", "--dpkgopt=path-exclude=/usr/share/man/*"]
        # No broker of the machine's own: each test says what it wants.
        options += ["--customize-hook=chroot $1 systemctl disable mosquitto"]
        subprocess.run(["mmdebstrap", *options, "bookworm", str(part)], check=True)
        part.rename(root)
    return root


class Failed(AssertionError):
    """A command on the machine failed."""


class Machine:
    """One machine over a base. `root` is its file system; it is there before it boots and after it is off."""

    def __init__(self, folder: Path, *bases: Path) -> None:
        self.root = folder / "root"
        self._name = f"jaitf-{os.getpid()}-{next(_NUMBERS)}"
        self._group = Group(self._name)
        self._folder = folder
        self._bases = bases
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Machine:
        for name in ("root", "upper", "work"):
            (self._folder / name).mkdir(parents=True)
        lower = ":".join(str(each) for each in self._bases)
        where = f"lowerdir={lower},upperdir={self._folder / 'upper'},workdir={self._folder / 'work'}"
        keep_to_ourselves()
        self._group.open()
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", where, str(self.root)], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.power_off()
        self._group.close()
        subprocess.run(["umount", "--lazy", str(self.root)], check=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def layer(self) -> Path:
        """What this machine has written over its base; with the base below, another machine can start from it."""
        return self._folder / "upper"

    def boot(self) -> None:
        """Start it, and wait until systemd has started what there is to start."""
        command = ["systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}", f"--machine={self._name}"]
        command += ["--register=no", "--keep-unit", "--console=pipe", "--private-network", "--resolv-conf=off"]
        # One hierarchy, and BPF for its init: so DevicePolicy= is enforced by the kernel, as on a Debian 12 machine.
        command += ["--capability=CAP_BPF", "--system-call-filter=bpf"]
        # Nothing begins by the calendar, at midnight or because the layer below was made the day before.
        command += ["systemd.mask=timers.target"]
        environment = os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        console = (self._folder / "console.log").open("ab")
        self._process = subprocess.Popen(
            self._group.within(*command), stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment
        )
        console.close()
        self._leader = self._wait_for_init(self._process)
        self.until("systemctl is-system-running | grep -Eq 'running|degraded'", within_s=BOOT_S)

    def _wait_for_init(self, process: subprocess.Popen[bytes]) -> int:
        """Return the process number of the machine's init, seen from here."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + BOOT_S
        while time.monotonic() < deadline and process.poll() is None:
            for child in children.read_text().split():
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                        return int(child)
            time.sleep(LOOK_S)
        raise Failed(f"the machine does not start: {(self._folder / 'console.log').read_text()[-2000:]}")

    def power_off(self) -> None:
        """Switch it off in order; what does not end is ended."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.sh("systemctl --no-block poweroff", check=False)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.cut_power()
        self._process = None

    def cut_power(self) -> None:
        """End every process of it at once, without a word: SIGKILL to its init, and the kernel ends the rest."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._leader, 9)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def sh(self, script: str, *, check: bool = True, within_s: float = 120.0) -> str:
        """Return what a shell script on the running machine prints. Raises Failed where it fails."""
        enter = ["nsenter", f"--target={self._leader}", "--all", "--root", "--wdns=/", "--"]
        clean = [
            "env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
        ]
        done = subprocess.run([*enter, *clean, "sh", "-c", script], capture_output=True, text=True, timeout=within_s)
        if check and done.returncode:
            raise Failed(f"{script}\nexit status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def chroot(self, script: str, *, check: bool = True, within_s: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run a shell script on the machine while it is off. Without its network, for a package must not need one."""
        inside = ["systemd-nspawn", "--quiet", f"--directory={self.root}", "--register=no", "--keep-unit", "--pipe"]
        inside += ["--private-network", "--resolv-conf=off", "sh", "-c", script]
        done = subprocess.run(inside, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within_s)
        if check and done.returncode:
            raise Failed(f"{script}\nexit status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def until(self, script: str, *, within_s: float = 60.0) -> str:
        """Return what a script prints as soon as it succeeds. Raises Failed where it has not `within_s`."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                return self.sh(script)
            except Failed as failed:
                if time.monotonic() > deadline:
                    raise Failed(f"not within {within_s:.0f} s: {failed}\n{self.what_happened()}") from None
            time.sleep(LOOK_S)

    def journal(self, unit: str, *options: str) -> str:
        """Return what a unit has said, to the last word: the journal writes it down behind the unit's back."""
        return self.sh(f"journalctl --sync && journalctl -u {unit} -o cat --no-pager {' '.join(options)}")

    def what_happened(self) -> str:
        """Return the end of the journal, for a person."""
        return self.sh(
            "systemctl status --no-pager jaitf-edge 2>&1; journalctl --no-pager -n 60 -o short-monotonic", check=False
        )

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file on the machine."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)


@contextlib.contextmanager
def machine(folder: Path, *bases: Path) -> Iterator[Machine]:
    """A machine over bases, the topmost first; gone at the end."""
    with Machine(folder, *bases) as made:
        yield made
