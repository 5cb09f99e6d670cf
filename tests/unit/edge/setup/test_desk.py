"""Writing a configuration down: piece by piece, never worse than before, and what was there is kept."""

import os

import pytest

from drivers.errors import ConfigError, StoreError
from edge.config.load import examine, load
from edge.setup.desk import KEPT, Desk

LANE = {
    ("appliance", "site"): "lfw",
    ("appliance", "lane"): "t1-l3",
    ("appliance", "id"): "edge-01",
    ("appliance", "data_dir"): "/var/lib/jaitf-edge",
    ("console", "url"): "mqtt://127.0.0.1:1883",
}


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "config")
    made.edge(LANE)
    return made


def test_a_new_configuration_is_whole(desk):
    desk.device("k9-1", "llrp", {"url": "tcp://10.0.0.7:5084"}, ["Found by hand."])
    config = load(desk.folder)
    assert [(d.name, d.driver) for d in config.devices] == [("k9-1", "llrp")]
    assert not examine(desk.folder).problems
    assert "# Found by hand." in (desk.folder / "devices" / "k9-1.toml").read_text()
    assert desk.kept == []


def test_what_was_there_is_kept_and_only_the_change_is_made(desk):
    path = desk.folder / "edge.toml"
    path.write_text(path.read_text() + '\n# mine\n[[signals]]\nname = "lamp"\ndevice = "io-1"\noutput = "lamp"\n')
    (desk.folder / "devices").mkdir()
    io = 'driver = "modbus"\n[settings]\nurl = "tcp://10.0.0.9"\n[[settings.points]]\nname = "lamp"\ntable = "coil"\n'
    (desk.folder / "devices" / "io-1.toml").write_text(io + "address = 0\nwritable = true\n")
    before = path.read_text()
    desk.edge({("appliance", "lane"): "t1-l4"})
    assert path.read_text() == before.replace('lane = "t1-l3"', 'lane = "t1-l4"')
    [kept] = desk.kept
    assert kept.read_text() == before and kept.is_relative_to(desk.folder / KEPT)
    assert not examine(desk.folder).problems, "kept copies are no part of the configuration"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to a group that it is not in")
def test_a_secret_that_root_writes_for_the_service_can_be_read_by_its_group(desk):
    assert desk.secret("console.password", "word").stat().st_mode & 0o777 == 0o600
    os.chown(desk.folder, 0, 4242)
    written = desk.secret("console.password", "word").stat()
    assert (written.st_gid, written.st_mode & 0o777) == (4242, 0o640)


def test_the_same_again_changes_nothing(desk):
    desk.edge(LANE)
    assert desk.kept == [] and len(desk.written) == 1


def test_what_check_would_refuse_is_not_written(desk):
    with pytest.raises(ConfigError, match="nothing to read"):
        desk.device("portal-1", "modbus", {"url": "tcp://10.0.0.5:502"}, [])
    with pytest.raises(ConfigError, match="lane"):
        desk.edge({("appliance", "lane"): "T1 L3"})
    assert not (desk.folder / "devices").exists()


def test_a_file_that_was_wrong_before_does_not_stop_another(desk):
    (desk.folder / "devices").mkdir()
    (desk.folder / "devices" / "bad-1.toml").write_text('driver = "no-such"\n')
    desk.device("k9-1", "llrp", {"url": "tcp://10.0.0.7:5084"}, [])
    assert (desk.folder / "devices" / "k9-1.toml").exists()


def test_names_and_addresses_that_are_taken(desk):
    desk.device("k9-1", "llrp", {"url": "tcp://10.0.0.7:5084"}, [])
    assert desk.free_name("llrp") == "k9-2"
    assert desk.free_name("scale") == "scale-1"
    assert desk.holder({"url": "tcp://10.0.0.7:5084/"}) == "k9-1"
    assert desk.holder({"url": "tcp://10.0.0.8:5084"}) is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Desk(tmp_path / "file" / "config").edge(LANE)


def test_single_settings_of_a_device_are_changed_and_all_else_stays(desk):
    desk.device("tags-1", "uhf-serial", {"url": "serial:///dev/ttyUSB0?baud=115200", "protocol": "m100"}, ["By hand."])
    path = desk.folder / "devices" / "tags-1.toml"
    before = path.read_text()
    found = {"url": "serial:///dev/ttyUSB0?baud=57600", "protocol": "m100"}
    assert desk.otherwise("tags-1", "uhf-serial", found) == {"url": found["url"]}
    assert desk.otherwise("tags-1", "scale", found) == {}, "another driver's settings are no change of this one's"
    desk.change("tags-1", {"url": found["url"]})
    assert path.read_text() == before.replace("ttyUSB0?baud=115200", "ttyUSB0?baud=57600")
    assert [kept.read_text() for kept in desk.kept] == [before]
    with pytest.raises(ConfigError, match="protocol"):
        desk.change("tags-1", {"protocol": "m10"})
