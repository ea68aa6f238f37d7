"""Where the archive is and who asks: from the environment, refused where it would show a secret."""

from __future__ import annotations

import pytest

from fluorospread.errors import PacsSecurityError, UsageError
from fluorospread.pacs.settings import pacs_settings

SECRET = "sw0rdfish-and-more"


def settings(address, **named):
    return pacs_settings({f"FLUOROSPREAD_PACS_{name}": value for name, value in named.items()}, address)


@pytest.mark.parametrize(
    ("address", "host", "port", "title", "web", "encrypted"),
    [
        ("https://pacs.example/dicom-web/", "pacs.example", 443, "", True, True),
        ("http://127.0.0.1:8042/dicom-web", "127.0.0.1", 8042, "", True, False),
        ("dimse://ORTHANC@pacs.example:4242", "pacs.example", 4242, "ORTHANC", False, False),
        ("dimse+tls://ORTHANC@[::1]:2762", "::1", 2762, "ORTHANC", False, True),
    ],
)
def test_an_address_names_protocol_host_and_title(address, host, port, title, web, encrypted):
    found = settings(address)
    assert (found.host, found.port, found.called_ae_title) == (host, port, title)
    assert (found.is_web, found.is_encrypted) == (web, encrypted)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "pacs.example",
        "ftp://a/b",
        "dimse://host:4242",
        "dimse://A@host",
        "http://h:x/",
        "https:///x",
        "https://h/?a=b",
        "dimse://A_TITLE_TOO_LONG_@host:1",
    ],
)
def test_a_malformed_address_is_refused(address):
    with pytest.raises(UsageError):
        settings(address)


def test_a_password_in_the_address_is_refused_without_quoting_it():
    with pytest.raises(PacsSecurityError) as refusal:
        settings(f"https://reader:{SECRET}@pacs.example/dicom-web")
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("address", ["http://pacs.example/dicom-web", "dimse://ORTHANC@pacs.example:4242"])
@pytest.mark.parametrize("name", ["PASSWORD", "TOKEN", "USER"])
def test_credentials_never_travel_in_the_clear(address, name):
    with pytest.raises(PacsSecurityError, match="in the clear"):
        settings(address, **{name: SECRET})
    assert settings("http://127.0.0.1:8042/dicom-web", **{name: SECRET})


def test_secrets_are_in_no_repr():
    found = settings("https://pacs.example/dicom-web", USER="reader", PASSWORD=SECRET, TOKEN=SECRET)
    assert SECRET not in repr(found)


def test_a_certificate_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(PacsSecurityError, match="FLUOROSPREAD_PACS_CA"):
        settings("https://pacs.example/dicom-web", CA=str(tmp_path / "missing.pem"))


@pytest.mark.parametrize(("name", "value"), [("TIMEOUT_S", "soon"), ("TIMEOUT_S", "0"), ("MOVE_PORT", "70000")])
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(UsageError, match=name):
        settings("https://pacs.example/dicom-web", **{name: value})
