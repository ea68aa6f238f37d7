import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from fluorospread import atomic_files
from fluorospread.atomic_files import write_all_atomically, write_atomically
from fluorospread.errors import OutputError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def full_disk_at(monkeypatch):
    """Fills the disk after so many files; what was begun of the next one stays, as on a real disk."""

    def fill(files: int) -> None:
        write, written = atomic_files._write, []

        def limited(path, content, durable):
            if len(written) == files:
                write(path, content[:1], durable)
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(path)
            write(path, content, durable)

        monkeypatch.setattr(atomic_files, "_write", limited)

    return fill


def test_a_file_is_written_into_a_folder_that_is_made(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "c.txt", b"content")
    assert contents(tmp_path / "a" / "b") == {"c.txt": b"content"}


@pytest.mark.parametrize("durable", [False, True])
def test_a_full_disk_leaves_the_earlier_file_and_nothing_else(tmp_path, full_disk_at, durable):
    write_atomically(tmp_path / "a", b"earlier")
    full_disk_at(0)
    with pytest.raises(OutputError, match="No space left on device"):
        write_atomically(tmp_path / "a", b"later", durable)
    assert contents(tmp_path) == {"a": b"earlier"}


@pytest.mark.parametrize("fails_at", range(3))
def test_files_that_belong_together_are_replaced_together_or_not_at_all(tmp_path, full_disk_at, fails_at):
    earlier = {"mask": b"old mask", "picture": b"old picture", "case": b"old case"}
    write_all_atomically(tmp_path, earlier)
    full_disk_at(fails_at)
    with pytest.raises(OutputError, match="No space left on device"):
        write_all_atomically(tmp_path, dict.fromkeys(earlier, b"new"), obsolete=("mask",))
    assert contents(tmp_path) == earlier


def test_files_are_moved_to_their_places_in_the_order_given(tmp_path, monkeypatch):
    moved = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (moved.append(Path(target).name), replace(self, target)))
    write_all_atomically(tmp_path, {"b": b"", "a": b"", "last": b""})
    assert moved == ["b", "a", "last"]


def test_an_obsolete_file_goes_unless_it_is_written_anew(tmp_path):
    write_all_atomically(tmp_path, {"mask": b"1", "case": b"1"})
    write_all_atomically(tmp_path, {"mask": b"2", "case": b"2"}, obsolete=("mask",))
    assert contents(tmp_path) == {"mask": b"2", "case": b"2"}
    write_all_atomically(tmp_path, {"case": b"3"}, obsolete=("mask", "never there"))
    assert contents(tmp_path) == {"case": b"3"}


def test_a_file_where_the_folder_should_be_is_a_named_error(tmp_path):
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "a", b"")
    with pytest.raises(OutputError, match="cannot be written"):
        write_all_atomically(tmp_path / "file", {"a": b""})
    assert contents(tmp_path) == {"file": b"in the way"}


def test_a_file_gets_the_rights_that_any_new_file_gets(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_writers_of_one_file_do_not_get_in_each_others_way(tmp_path):
    texts = [bytes([letter]) * 200_000 for letter in b"abcdefgh"]
    threads = [threading.Thread(target=write_atomically, args=(tmp_path / "a", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(tmp_path).keys() == {"a"}
    assert (tmp_path / "a").read_bytes() in texts
