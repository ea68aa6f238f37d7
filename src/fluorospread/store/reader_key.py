"""A reader's key pair: signs event hashes, and checks signatures with the public half alone.

ECDSA on P-256 with SHA-256 (FIPS 186-5): any workstation can verify with the public keys in the store,
none can sign for a reader without that reader's key file. Whoever can read the file can sign as the reader,
so it is made readable by its owner only.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fluorospread.errors import StoreError

_ALGORITHM = ec.ECDSA(hashes.SHA256())


class PublicKey:
    """The half that verifies. `text` is its DER form in hexadecimal; `key_id` the SHA-256 of that DER."""

    def __init__(self, text: str) -> None:
        try:
            der = bytes.fromhex(text)
            key = serialization.load_der_public_key(der)
        except ValueError as error:
            raise StoreError(f"a reader's public key in the store cannot be read ({error})") from error
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise StoreError("a reader's public key in the store is not an elliptic-curve key")
        self.text = text
        self.key_id = hashlib.sha256(der).hexdigest()
        self._key = key

    def verifies(self, signature: str, event_hash: str) -> bool:
        """Whether `signature` (DER, hexadecimal) is this key's signature of `event_hash`."""
        try:
            self._key.verify(bytes.fromhex(signature), event_hash.encode("ascii"), _ALGORITHM)
        except (InvalidSignature, ValueError):
            return False
        return True


class ReaderKey:
    """The half that signs, with the name of its reader."""

    def __init__(self, reader: str, key: ec.EllipticCurvePrivateKey) -> None:
        self.reader = reader
        self._key = key
        der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.public = PublicKey(der.hex())

    def sign(self, event_hash: str) -> str:
        """Signature of a hash of 64 hexadecimal digits: DER, in hexadecimal."""
        return self._key.sign(event_hash.encode("ascii"), _ALGORITHM).hex()


def open_reader_key(reader: str, folder: Path) -> ReaderKey:
    """The key of `reader` in `folder`, made on first use as a PEM file that only its owner can read.

    Raises
    ------
    StoreError
        The file cannot be made or read, or holds no P-256 key.
    """
    if not reader.strip():
        raise StoreError("a reader needs a name")
    # The name is free text; its hash makes a file name of it that no name can break out of the folder with.
    path = folder / f"{hashlib.sha256(reader.encode('utf-8')).hexdigest()[:16]}.pem"
    try:
        if not path.exists():
            _write_new_key(path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise StoreError(f"{path}: the key of {reader} cannot be made or read ({error.strerror})") from error
    except (ValueError, TypeError) as error:
        raise StoreError(f"{path}: expected an unencrypted P-256 key in PEM ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise StoreError(f"{path}: expected a P-256 key")
    return ReaderKey(reader, key)


def _write_new_key(path: Path) -> None:
    """Whole or not at all: a key cut short by a crash would lock its reader out."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        # Linking fails where another process of the same reader was first; its key is then the one.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
