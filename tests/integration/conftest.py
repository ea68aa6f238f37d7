"""A real archive on loopback, certificates of its own, and a wire that can be cut."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

USER, PASSWORD = "reader", "s3cret-of-this-test"
_PLUGINS = ("/usr/share/orthanc/plugins/libOrthancDicomWeb.so", "/usr/lib/orthanc/libOrthancDicomWeb.so")
_PATIENCE_S = 60


@dataclass(frozen=True)
class Orthanc:
    """A running server: DICOMweb with a password, DIMSE without; both also behind TLS, as hospitals put a proxy
    before it (Debian's Orthanc 1.10 with OpenSSL 3 ends at the first TLS connection of its own)."""

    http_port: int
    dicom_port: int
    move_port: int
    https_port: int
    dicom_tls_port: int
    ca_file: Path
    """The TLS certificate, which nobody else trusts."""

    def web(self, plain_port: int | None = None) -> dict[str, str]:
        """The environment that reaches it by DICOMweb, over TLS unless a port of this machine is named."""
        secure, plain = f"https://127.0.0.1:{self.https_port}", f"http://127.0.0.1:{plain_port}"
        return {
            "FLUOROSPREAD_PACS": f"{plain if plain_port else secure}/dicom-web",
            "FLUOROSPREAD_PACS_USER": USER,
            "FLUOROSPREAD_PACS_PASSWORD": PASSWORD,
            "FLUOROSPREAD_PACS_CA": str(self.ca_file),
            "FLUOROSPREAD_PACS_TIMEOUT_S": "20",
        }

    def dimse_tls(self) -> dict[str, str]:
        """The environment that reaches it by DIMSE over TLS."""
        return {
            "FLUOROSPREAD_PACS": f"dimse+tls://ORTHANC@127.0.0.1:{self.dicom_tls_port}",
            "FLUOROSPREAD_PACS_CA": str(self.ca_file),
            "FLUOROSPREAD_PACS_TIMEOUT_S": "20",
        }

    def dimse(self, port: int | None = None) -> dict[str, str]:
        """The environment that reaches it by DIMSE, without TLS."""
        address = f"dimse://ORTHANC@127.0.0.1:{port or self.dicom_port}"
        return {"FLUOROSPREAD_PACS": address, "FLUOROSPREAD_PACS_TIMEOUT_S": "20"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, both as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "archive of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]) -> Iterator[Orthanc]:
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    plugin = next((path for path in _PLUGINS if Path(path).exists()), None)
    if program is None or plugin is None:
        pytest.skip("Orthanc with its DICOMweb plugin is not installed (Debian: orthanc orthanc-dicomweb)")
    folder = tmp_path_factory.mktemp("orthanc")
    http_port, dicom_port, move_port = free_port(), free_port(), free_port()
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [plugin],
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {"us": ["FLUOROSPREAD", "127.0.0.1", move_port]},
        "ConcurrentJobs": 1,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], cwd=folder, stdout=log, stderr=log)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificate)
    fronts: list[Wire] = []
    try:
        _wait_for(http_port, process, folder / "log")
        fronts += [Wire(http_port, tls=tls), Wire(dicom_port, tls=tls)]
        yield Orthanc(http_port, dicom_port, move_port, fronts[0].port, fronts[1].port, certificate[0])
    finally:
        for front in fronts:
            front.close()
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the web port is open, which is done last."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"Orthanc ended: {log.read_text(errors='replace')[-2000:]}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    pytest.fail(f"Orthanc did not answer within {_PATIENCE_S} s")


class Wire:
    """Passes bytes on to a port of this machine, over TLS towards its clients or its target where it has a context for
    them. After so many bytes from there it is cut for good, as by a pulled plug. Listens on any port unless told."""

    def __init__(
        self,
        target: int,
        bytes_until_cut: int | None = None,
        tls: ssl.SSLContext | None = None,
        target_tls: ssl.SSLContext | None = None,
        listen_on: int = 0,
    ) -> None:
        self._target, self._left, self._tls = target, bytes_until_cut, tls
        self._target_tls, self._listen_on = target_tls, listen_on
        self._connections: list[tuple[asyncio.StreamWriter, socket.socket]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", self._listen_on, ssl=self._tls)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._keep(to_client)
        try:
            from_target, to_target = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._target_tls)
        except OSError:
            to_client.close()
            return
        self._keep(to_target)
        await asyncio.gather(
            self._pump(from_client, to_target, False), self._pump(from_target, to_client, True), return_exceptions=True
        )

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, counts: bool) -> None:
        try:
            while data := await source.read(16384):
                if counts and self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        self._cut()
                        return
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()

    def _keep(self, writer: asyncio.StreamWriter) -> None:
        self._connections.append((writer, writer.get_extra_info("socket")))

    def _cut(self) -> None:
        # Under the transports: a TLS transport that was closed twice has lost its connection and cannot abort it.
        self._server.close()
        for _, connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    async def _end(self) -> None:
        self._cut()
        ended = [writer.wait_closed() for writer, _ in self._connections]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*ended, return_exceptions=True), 5)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def sent_over_tls(orthanc: Orthanc) -> Iterator[int]:
    """A port of ours that the archive sends to over TLS, through a proxy that trusts our certificate alone."""
    port = free_port()
    trusts_us = ssl.create_default_context(cafile=str(orthanc.ca_file))
    wire = Wire(port, target_tls=trusts_us, listen_on=orthanc.move_port)
    yield port
    wire.close()


@pytest.fixture
def cut_wire() -> Iterator[Callable[[int, int], Wire]]:
    """Makes a wire to a port that is cut after so many bytes have come from there."""
    wires: list[Wire] = []

    def make(port: int, bytes_until_cut: int) -> Wire:
        wires.append(Wire(port, bytes_until_cut))
        return wires[-1]

    yield make
    for wire in wires:
        wire.close()
