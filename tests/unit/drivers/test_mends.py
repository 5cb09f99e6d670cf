"""The table of mends: every code that a driver may end with has a layer and a mend that is more than the error."""

import ssl
import subprocess

import pytest

from drivers import errors, mends, registry
from drivers.contract import ProbeReport

CODES = {
    one.code
    for one in vars(errors).values()
    if isinstance(one, type)
    and issubclass(one, errors.LinkError | errors.ProtocolError | errors.DeviceRefused | errors.ConfigError)
}


@pytest.mark.parametrize("code", sorted(CODES | {"hung", "crashed"}))
def test_every_code_has_a_layer_and_a_mend(code):
    assert code in mends.LAYERS
    assert mends.mend(code)


def test_no_code_no_mend():
    assert mends.mend("") is None and mends.mend("no-such", "serial") is None


def test_the_kind_of_address_is_found_in_every_drivers_settings():
    for info in registry.available().values():
        fields = registry.settings_class(info).model_fields
        assert {"url", "path", "listen"} & set(fields), info.name


def test_a_serial_line_that_is_silent_is_told_of_bauds():
    assert "baud" in mends.mend("link-timeout", "serial")
    assert "baud" in mends.mend("protocol", "serial")
    assert "baud" not in mends.mend("protocol", "tcp")


def test_a_failed_report_takes_the_errors_own_mend():
    assert ProbeReport.failed((), errors.LinkUntrusted("no TLS", "renew it")).mend == "renew it"
    report = ProbeReport.failed(("opened",), errors.LinkLost("gone"))
    assert (report.ok, report.steps, report.code, report.mend) == (False, ("opened", "gone"), "link-lost", None)
    assert ProbeReport.failed((), errors.LinkUntrusted("no TLS", "renew it"), mend="other").mend == "other"


def test_swapped_files_are_named(tmp_path):
    for name in ("one", "two"):
        subprocess.run(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x"
            f" -keyout {name}.key -out {name}.pem",
            shell=True,
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ssl.SSLError) as swapped:
        context.load_cert_chain(tmp_path / "one.pem", tmp_path / "two.key")
    assert "swapped" in mends.tls_mend(swapped.value)
    (tmp_path / "one.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError) as broken:
        context.load_cert_chain(tmp_path / "one.pem", tmp_path / "one.key")
    assert "PEM" in mends.tls_mend(broken.value)
    assert mends.tls_mend(OSError(5, "no TLS error")) == ""
