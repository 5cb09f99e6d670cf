"""What mends a failure, by its code and by the kind of address: the table that probes and trials look into.

A driver that knows better says so itself (`ProbeReport.mend`); these stand where it does not.
"""

from __future__ import annotations

import ssl

LAYERS = {
    "config": "configuration",
    "link": "connection",
    "link-timeout": "no answer",
    "link-lost": "connection",
    "link-busy": "port in use",
    "link-denied": "permission",
    "link-tls": "certificates",
    "protocol": "answer not understood",
    "refused": "device refuses",
    "screen-size": "answer not understood",
    "no-signal": "no answer",
    "capture-stuck": "driver",
    "hung": "driver",
    "crashed": "driver",
}
"""What a technician calls the layer at which a try ended, by error code."""

_MENDS = {
    ("config", ""): "`jaitf-edge check` says which key of the configuration it is",
    ("link", ""): "check power, cable and address",
    (
        "link-timeout",
        "serial",
    ): "is it powered? TX and RX crossed? another baud rate, parity or bus address? `jaitf-edge setup` tries them",
    ("link-timeout", "file"): "is the file server reachable, and the share mounted?",
    ("link-timeout", "rtsp"): "is the encoder powered, and the address right? `ping` it from here",
    ("link-timeout", "tls"): "is it powered? does that port speak TLS (Modbus: 802, not 502)? a firewall between?",
    ("link-timeout", ""): "is it powered? the right unit or address? a firewall between?",
    ("link-lost", "serial"): "is it plugged in? `ls -l /dev/serial/by-id` shows the ports there are",
    ("link-lost", "hid"): "is it plugged in? `ls -l /dev/input/by-id` shows the input devices there are",
    ("link-lost", "file"): "make the folder or mount the share; or correct the path",
    ("link-lost", "listen"): "another address of this machine: `ip addr` shows them",
    ("link-lost", ""): "check cable, address and port; `ping` the address from here",
    ("link-busy", "listen"): "stop the program that listens there, or give this device another port",
    (
        "link-busy",
        "",
    ): "stop the program that holds it; a running appliance holds its devices: switch this one off on its page first",
    (
        "link-denied",
        "serial",
    ): "let the service's user use the port: `usermod -aG dialout USER`, then log in again",
    ("link-denied", "hid"): "let the service's user use it: `usermod -aG input USER`, then log in again",
    ("link-denied", "v4l2"): "let the service's user use it: `usermod -aG video USER`, then log in again",
    ("link-denied", "file"): "let the service's user read it: its group, or the mount's uid=",
    ("link-denied", "listen"): "ports below 1024 need a right of their own: take a higher one, such as 11112",
    ("link-denied", ""): "give the service's user the right to use it",
    ("link-tls", ""): "compare certificate, key and name of both sides; `jaitf-edge doctor` looks at this side's clock",
    ("protocol", "serial"): "garbage on a serial line is most often a wrong baud rate or parity: `jaitf-edge setup`"
    " tries the usual ones",
    ("protocol", ""): "another kind of device than the driver's? `jaitf-edge drivers NAME` says what it speaks",
    ("refused", ""): "the device is there and says no: look at its own settings (who may connect, unit, AE title)",
    ("screen-size", ""): "set size to what the pictures have, and draw the boxes again",
    ("no-signal", ""): "bring the workstation's signal to the encoder: its cable, its input",
    ("capture-stuck", ""): "restart the device, on the page by the dots beside it; is the encoder switched on?",
    ("hung", ""): "the driver did not keep its deadline; run `jaitf-edge diagnostics` and report it",
    ("crashed", ""): "the driver's process ended; run `jaitf-edge diagnostics` and report it",
}


#: OpenSSL's reasons to refuse a certificate (X509_V_ERR_*, x509_vfy.h), and what mends each.
_REFUSED_CERTIFICATES = {
    9: "the other side's certificate is not valid yet: is this machine's clock right? `timedatectl`",
    10: "the other side's certificate has expired: have it renewed; is this machine's clock right? `timedatectl`",
    18: "the other side signed its certificate itself: put that certificate into ca_file",
    19: "another authority signed the other side's certificate: put that authority's into ca_file",
    20: "another authority signed the other side's certificate: put that authority's into ca_file",
    21: "another authority signed the other side's certificate: put that authority's into ca_file",
    62: "the certificate is of another name: write the name that it has into the address, or have it issued anew",
    64: "the certificate is of another address: write the name that it has, or have it issued anew for this one",
}
#: OpenSSL's other reasons, by a part of their names: the files of this side, and what the other side says of us.
_TLS_REASONS = {
    "NO_CERTIFICATE": "ca_file or cert_file holds no certificate: was a key put in its place?",
    "KEY_VALUES_MISMATCH": "cert_file and key_file do not belong together: were the files of two machines swapped?",
    "NO_START_LINE": "one of the files is no PEM: ask for it again",
    "PEM": "one of the files is no PEM: ask for it again",
    "WRONG_VERSION_NUMBER": "what listens there speaks no TLS: another port, or an address without TLS?",
    "ALERT_CERTIFICATE_EXPIRED": "the other side says that our certificate has expired: have cert_file renewed",
    "ALERT_UNKNOWN_CA": "the other side does not know who signed our certificate: is cert_file of its authority?",
    "ALERT_BAD_CERTIFICATE": "the other side does not take our certificate: is cert_file of its authority?",
    "CERTIFICATE_REQUIRED": "the other side wants a certificate of ours: set cert_file and key_file",
    "HANDSHAKE_FAILURE": "the other side ends the handshake: it may want a certificate: set cert_file and key_file",
}


def tls_mend(error: OSError) -> str:
    """Return what mends that TLS did not come up, "" where the reason is none that is known."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _REFUSED_CERTIFICATES.get(error.verify_code, "")
    reason = (getattr(error, "reason", None) or str(error)).upper()
    return next((said for part, said in _TLS_REASONS.items() if part in reason), "")


def said(error: OSError | ValueError) -> str:
    """Return why a connection did not come up, in words: without numbers of errors and places in OpenSSL's source."""
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "verify_message", "") or (error.reason or str(error)).replace("_", " ").lower()
        mend = tls_mend(error)
        return f"TLS: {why}{f': {mend}' if mend else ''}"
    return str(getattr(error, "strerror", None) or error)


_NAMED_LAYERS = {
    ("link-lost", "serial"): "no such port, or gone",
    ("link-lost", "hid"): "no such input device, or gone",
    ("link-lost", "file"): "no such folder, or gone",
    ("link-lost", "listen"): "address to listen on",
}


def layer(code: str, scheme: str = "") -> str:
    """Return what a technician calls the layer at which a try ended; "device" where the code is a driver's own."""
    return _NAMED_LAYERS.get((code, scheme)) or LAYERS.get(code, "device")


def mend(code: str, scheme: str = "") -> str | None:
    """Return what mends an error of this code; None where the table does not know it.

    `scheme` is that of the address (serial, tcp, tls, rtsp, hid, v4l2), `file` for a folder, `listen` for a port that
    this machine listens on.
    """
    return _MENDS.get((code, scheme)) or _MENDS.get((code, ""))


def scheme_of(settings: object) -> str:
    """Return the kind of address that a driver's settings hold, "" where they hold none that is known."""
    url = getattr(settings, "url", None)
    if isinstance(url, str):
        return url.partition(":")[0]
    return next((scheme for key, scheme in (("path", "file"), ("listen", "listen")) if hasattr(settings, key)), "")
