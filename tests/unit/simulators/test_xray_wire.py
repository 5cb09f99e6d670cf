import gc
import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from drivers.ports import free_port
from simulators.xray import make_scan
from simulators.xray.export import LABELS, write
from simulators.xray.wire import Identity, Scanner, datasets, store_all
from tests.core import DEADLINE_S

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Invalid value for VR UI"),  # (0008,0118) is CS in DICOS, UI in DICOM
]

# What an SDICOS reader refuses a DX image without.
MANDATORY = """
00080008 00080012 00080013 00080016 00080018 00080020 00080021 00080023 00080030 00080031 00080033 00080060
00080068 00080070 00080080 00080081 00080118 00081010 00081090 00082108 00100020 00100021 00100022 00180060
00181000 00181020 00181200 00181201 00187004 00188151 00189309 0020000D 0020000E 00200010 00200013 00200032
00200037 00280002 00280004 00280010 00280011 00280100 00280101 00280102 00280103 00280301 00281040 00281041
00281052 00281053 00281054 00282110 00400555 40101042 40101044 40101048 4010103A 40101062 43000902 7FE00010
""".split()  # noqa: SIM905  # a table reads better than 60 quoted strings
# pynetdicom drops the socket of a refused connection without closing it.
refused = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
SCAN = make_scan(9, "pistol", 130, 100)


def identity(number: int = 1) -> Identity:
    return Identity.make(np.random.default_rng(number), number)


def test_an_instance_has_all_that_a_dicos_reader_asks_for():
    (instance,) = datasets(SCAN, identity())
    assert [tag for tag in MANDATORY if int(tag, 16) not in instance] == []
    assert instance.file_meta[0x00020004].value == "V03"
    assert instance.Manufacturer == "SIMULATED"
    assert (instance.PatientID.isdigit(), len(instance.PatientID), instance.TypeOfPatientID) == (True, 10, "BARCODE")
    assert np.array_equal(instance.pixel_array, SCAN.high)


def test_two_energies_are_two_instances_of_one_scan():
    low, high = datasets(SCAN, identity(), dual=True)
    assert (low.ImageType[1], high.ImageType[1]) == ("LOW ENERGY", "HIGH ENERGY")
    assert low.StudyInstanceUID == high.StudyInstanceUID
    assert low.SOPInstanceUID != high.SOPInstanceUID
    assert np.array_equal(low.pixel_array, SCAN.low)


@pytest.mark.parametrize("form", ["png", "jpeg", "tiff", "dicos"])
def test_an_export_appears_whole(tmp_path, form):
    (path,) = write(tmp_path, form, SCAN, identity())
    assert list(tmp_path.iterdir()) == [path]
    if form == "dicos":
        assert np.array_equal(pydicom.dcmread(path).pixel_array, SCAN.high)
    elif form == "tiff":
        assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), SCAN.high)
    else:
        assert cv2.imread(str(path)).shape == (130, 100, 3)


@refused
def test_a_peer_that_is_away_is_tried_again_and_told_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        scanner = Scanner("127.0.0.1", taken.getsockname()[1], connect_s=1)
        waits, told = [], []

        def wait(seconds: float) -> bool:
            waits.append(seconds)
            return len(waits) == 4

        (answer,) = store_all(scanner, datasets(SCAN, identity()), wait, told.append)
        gc.collect()
    assert answer.status == -1
    assert not answer.ok
    assert waits == [1.0, 2.0, 5.0, 5.0]
    assert len(told) == 1


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulators.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_refuses_wrong_use_and_names_its_devices():
    assert run().returncode == 2
    unknown = run("teapot")
    assert unknown.returncode == 2
    assert "no device 'teapot'" in unknown.stderr
    assert run("xray").returncode == 2
    helped = run("xray", "--help")
    assert helped.returncode == 0
    assert "Example: jaitf-sim xray" in helped.stdout
    assert run("xray", "--to", "nowhere").returncode == 2


def test_the_command_fills_a_folder_and_says_the_truth_of_it(tmp_path):
    done = run("xray", "--folder", str(tmp_path), "--count", "2", "--every-s", "0", "--threat", "pistol",
               "--threat-rate", "1", "--seed", "3", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["threats"][0]["kind"] for line in lines] == ["pistol", "pistol"]
    assert sorted(line["file"] for line in lines) == sorted(map(str, tmp_path.iterdir()))
    assert run("xray", "--folder", str(tmp_path / "none"), "--count", "1").returncode == 1


def test_a_labelled_folder_holds_each_bag_twice_and_is_not_labelled_again(tmp_path):
    folder = tmp_path / "labelled"
    asked = ("xray", "--folder", str(folder), "--labels", "--paired", "--count", "1", "--every-s", "0",
             "--threat", "knife", "--seed", "3", "--format", "dicos", "--dual")  # fmt: skip
    done = run(*asked)
    assert done.returncode == 0, done.stderr
    ordinary, armed = (json.loads(line) for line in (folder / LABELS).read_text().splitlines())
    assert ordinary["threats"] == []
    (threat,) = armed["threats"]
    assert (threat["label"], threat["category"], threat["kind"]) == ("blade", "PI", "knife")
    assert len(threat["box"]) == 4
    assert ordinary["bag"] == armed["bag"]
    files = [*ordinary["file"], *armed["file"]]
    assert sorted([*files, LABELS]) == sorted(path.name for path in folder.iterdir())
    assert len({pydicom.dcmread(folder / name).StudyInstanceUID for name in files}) == 2
    again = run(*asked)
    assert again.returncode == 2
    assert "already there" in again.stderr
    assert run("xray", "--to", "127.0.0.1:1", "--labels").returncode == 2


@pytest.mark.protocol
@pytest.mark.skipif(not shutil.which("dcmdump"), reason="dcmtk is not installed")
def test_dcmtk_reads_what_is_written(tmp_path):
    (path,) = write(tmp_path, "dicos", SCAN, identity())
    dump = subprocess.run(["dcmdump", "-q", str(path)], capture_output=True, text=True, timeout=120, check=True).stdout
    assert "=DICOS_DigitalXRayImageStorageForProcessing" in dump
    assert "(0002,0004) CS [V03]" in dump
    assert "OOIType" in dump


@refused
@pytest.mark.protocol
@pytest.mark.skipif(not shutil.which("storescp"), reason="dcmtk is not installed")
def test_dcmtk_stores_what_is_sent_after_it_came_back(tmp_path):
    port = free_port()
    command = ["storescp", "-od", str(tmp_path), "--promiscuous", "-aet", "EDGE", str(port)]
    started: list[subprocess.Popen[bytes]] = []
    scanner = Scanner("127.0.0.1", port, connect_s=2)

    def wait(_: float) -> bool:
        if not started:
            started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        else:
            started[0].poll()
            _until_listening(port)
        return False

    try:
        answers = store_all(scanner, datasets(SCAN, identity(), dual=True), wait, lambda _: None)
    finally:
        scanner.close()
        for process in started:
            process.terminate()
            process.wait(60)
        gc.collect()
    assert [a.status for a in answers] == [0, 0]
    stored = sorted((pydicom.dcmread(p) for p in Path(tmp_path).iterdir()), key=lambda d: d.InstanceNumber)
    assert np.array_equal(stored[1].pixel_array, SCAN.high)


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("storescp does not listen")
