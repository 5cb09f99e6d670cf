"""Where a server may be, and what may be said to it."""

import pytest

from drivers.errors import ConfigError
from inference.remote.address import Place, Server, place


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://localhost:8080", Place("localhost", 8080, False, False)),
        ("https://pool.example/a/b/", Place("pool.example", 443, True, False, "/a/b")),
        ("grpc://10.0.0.1:8001", Place("10.0.0.1", 8001, False, True)),
        ("grpcs://[2001:db8::1]:8001", Place("2001:db8::1", 8001, True, True)),
    ],
)
def test_what_a_url_says(url, found):
    assert place(url) == found


def test_an_ipv6_address_is_in_brackets():
    assert place("http://[::1]:80").authority == "[::1]:80"


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "ftp://a:1",
        "http://a:99999",
        "http://a:0",
        "http://u:p@a",
        "grpc://a/path",
        "http://a?x=1",
        "http://a#b",
    ],
)
def test_what_is_none(url):
    with pytest.raises(ConfigError):
        place(url)


def test_a_token_is_one_word_in_a_private_file(tmp_path):
    path = tmp_path / "token"
    server = Server("https://a", token_file=path)
    with pytest.raises(ConfigError, match="No such file"):
        server.token()
    path.write_text("s3cret\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="every user"):
        server.token()
    path.chmod(0o600)
    assert server.token() == "s3cret"
    for text in ("", "two words", "a\r\nX-Other: 1"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="one word"):
            server.token()
    assert Server("https://a").token() is None
