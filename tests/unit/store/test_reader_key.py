"""A key is made once, stays its reader's own, and verifies nobody else's signature."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fluorospread.errors import StoreError
from fluorospread.store.reader_key import PublicKey, open_reader_key

HASH = "c" * 64


def test_the_public_half_verifies_what_the_private_half_signed(tmp_path: Path) -> None:
    key = open_reader_key("A", tmp_path)
    public = PublicKey(key.public.text)
    assert public.verifies(key.sign(HASH), HASH)
    assert not public.verifies(key.sign(HASH), "d" * 64)
    assert not open_reader_key("B", tmp_path).public.verifies(key.sign(HASH), HASH)
    assert not public.verifies("no signature", HASH)


def test_the_same_reader_gets_the_same_key_again(tmp_path: Path) -> None:
    assert open_reader_key("A", tmp_path).public.key_id == open_reader_key("A", tmp_path).public.key_id


def test_the_key_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    open_reader_key("A", tmp_path)
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_name_with_path_characters_stays_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    open_reader_key("../../escaped", folder)
    assert [path.parent for path in tmp_path.rglob("*.pem")] == [folder]


def test_a_damaged_key_file_is_refused_by_name(tmp_path: Path) -> None:
    open_reader_key("A", tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoreError, match=f"{path.name}: expected an unencrypted P-256 key"):
        open_reader_key("A", tmp_path)


def test_a_reader_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="needs a name"):
        open_reader_key("  ", tmp_path)
