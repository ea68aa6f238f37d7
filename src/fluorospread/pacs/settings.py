"""Where the archive is and how to prove who asks: from the environment, never from a file or an option.

| variable | meaning |
|---|---|
| `FLUOROSPREAD_PACS` | `https://host/dicom-web` (DICOMweb), `dimse://AETITLE@host:4242` or `dimse+tls://…` (DIMSE) |
| `FLUOROSPREAD_PACS_USER`, `FLUOROSPREAD_PACS_PASSWORD` | HTTP basic authentication, or DIMSE user identity |
| `FLUOROSPREAD_PACS_TOKEN` | HTTP bearer token |
| `FLUOROSPREAD_PACS_CA` | PEM file of the authority that signed the archive's certificate; else the system's |
| `FLUOROSPREAD_PACS_CERTIFICATE`, `FLUOROSPREAD_PACS_PRIVATE_KEY` | PEM files of our own certificate and key |
| `FLUOROSPREAD_PACS_AE_TITLE` | our AE title (FLUOROSPREAD) |
| `FLUOROSPREAD_PACS_MOVE_PORT` | fetch by C-MOVE to this port of ours instead of by C-GET |
| `FLUOROSPREAD_PACS_TIMEOUT_S` | seconds without an answer until the archive counts as gone (30) |
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fluorospread.errors import PacsSecurityError, UsageError

PREFIX = "FLUOROSPREAD_PACS"
_SCHEMES = ("http", "https", "dimse", "dimse+tls")
_EXAMPLES = "https://host/dicom-web or dimse://AETITLE@host:4242"
# PS3.5 table 6.2-1: no backslash, no control characters, not blank.
_AE_TITLE = re.compile(r"(?! *$)[\x20-\x5b\x5d-\x7e]{1,16}")
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True)
class PacsSettings:
    """How to reach the archive. Secrets are in no repr.

    Attributes
    ----------
    address
        Without user or password: it is shown in messages.
    called_ae_title, host, port
        Of a DIMSE archive; the title is "" for DICOMweb.
    """

    address: str
    host: str
    port: int
    called_ae_title: str = ""
    ae_title: str = "FLUOROSPREAD"
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_file: str = ""
    certificate: str = ""
    private_key: str = field(default="", repr=False)
    move_port: int | None = None
    timeout_s: float = 30.0

    @property
    def is_web(self) -> bool:
        return self.address.startswith("http")

    @property
    def is_encrypted(self) -> bool:
        return self.address.startswith(("https:", "dimse+tls:"))


def pacs_settings(environment: Mapping[str, str], address: str | None = None) -> PacsSettings:
    """Settings from the environment; `address` outranks `FLUOROSPREAD_PACS`.

    Raises
    ------
    UsageError
        A value is missing or malformed.
    PacsSecurityError
        Credentials would travel in the clear, or a certificate's file is not there.
    """

    def value(name: str) -> str:
        return environment.get(f"{PREFIX}_{name}", "").strip()

    where = (address or environment.get(PREFIX, "")).strip()
    if not where:
        raise UsageError(f"no archive named: set {PREFIX} or give --pacs, e.g. {_EXAMPLES}")
    title, host, port = _parts(where)
    settings = PacsSettings(
        address=where.rstrip("/"),
        host=host,
        port=port,
        called_ae_title=title,
        ae_title=_ae_title(value("AE_TITLE") or "FLUOROSPREAD", f"{PREFIX}_AE_TITLE"),
        user=value("USER"),
        password=value("PASSWORD"),
        token=value("TOKEN"),
        ca_file=value("CA"),
        certificate=value("CERTIFICATE"),
        private_key=value("PRIVATE_KEY"),
        move_port=_number(value("MOVE_PORT"), "MOVE_PORT", 1, 65535),
        timeout_s=float(_number(value("TIMEOUT_S"), "TIMEOUT_S", 1, _LONGEST_WAIT_S) or 30),
    )
    _check_secrecy(settings)
    return settings


def tls_context(settings: PacsSettings) -> ssl.SSLContext:
    """What certificates we accept and show: TLS 1.2 or later, host name checked.

    Raises
    ------
    PacsSecurityError
        A certificate or key cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.private_key or None)
    except (OSError, ssl.SSLError) as error:
        raise PacsSecurityError(
            f"the certificates named by {PREFIX}_CA, {PREFIX}_CERTIFICATE and {PREFIX}_PRIVATE_KEY cannot be read "
            f"({type(error).__name__}); expected PEM files"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _parts(where: str) -> tuple[str, str, int]:
    """Called AE title, host and port. The address is not quoted in messages, as it may hold a password."""
    try:
        parts = urlsplit(where)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the archive's address has no valid port; expected e.g. {_EXAMPLES}") from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise UsageError(f"the archive's address is not understood; expected e.g. {_EXAMPLES}")
    if parts.password is not None or (parts.scheme.startswith("http") and parts.username is not None):
        raise PacsSecurityError(
            "the archive's address holds a user or password, which messages and logs would show; "
            f"set {PREFIX}_USER and {PREFIX}_PASSWORD instead"
        )
    if parts.query or parts.fragment:
        raise UsageError(f"the archive's address must have no query; expected e.g. {_EXAMPLES}")
    if parts.scheme.startswith("http"):
        return "", parts.hostname, port or (443 if parts.scheme == "https" else 80)
    if not parts.username or port is None:
        raise UsageError("a DIMSE archive needs its AE title and port: dimse://AETITLE@host:4242")
    return _ae_title(parts.username, "the archive's address"), parts.hostname, port


def _ae_title(title: str, where: str) -> str:
    if not _AE_TITLE.fullmatch(title):
        raise UsageError(f"{where}: an AE title has 1 to 16 letters, digits or signs and no backslash")
    return title


def _number(text: str, name: str, low: float, high: float) -> int | None:
    if not text:
        return None
    if not text.isdigit() or not low <= int(text) <= high:
        raise UsageError(f"{PREFIX}_{name}: expected a whole number from {low:g} to {high:g}")
    return int(text)


def _check_secrecy(settings: PacsSettings) -> None:
    has_secret = bool(settings.user or settings.password or settings.token)
    if has_secret and not settings.is_encrypted and not _is_loopback(settings.host):
        raise PacsSecurityError(
            f"{settings.address} is not encrypted, so the credentials would travel in the clear; use https:// or "
            "dimse+tls://, or unset them"
        )
    for name, file in (("CA", settings.ca_file), ("CERTIFICATE", settings.certificate)):
        if file and not Path(file).is_file():
            raise PacsSecurityError(f"{PREFIX}_{name} names a file that is not there; expected a PEM file")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
