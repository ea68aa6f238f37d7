"""What a script hands in becomes the request that the command line would make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fluorospread
from fluorospread.errors import MissingFileError, ProtocolError, UsageError
from fluorospread.model.case import CaseResult, Role
from fluorospread.model.protocol import Protocol
from fluorospread.pipeline import script_calls
from fluorospread.pipeline.gather_case import CaseOverrides, CaseRequest, gather_files
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol

OTHER_PROTOCOL = "medial-branch-block-l3-l4-facet"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[CaseRequest, Protocol]]:
    """What would be verified; the engine itself is not run."""
    requests: list[tuple[CaseRequest, Protocol]] = []

    class ReachedEngineError(Exception):
        pass

    def record(request: CaseRequest, protocol: Protocol) -> Any:
        requests.append((request, protocol))
        raise ReachedEngineError

    monkeypatch.setattr(script_calls.engine, "verify_case", record)
    verify = fluorospread.verify_case

    def quiet(*args: Any, **kwargs: Any) -> None:
        with pytest.raises(ReachedEngineError):
            verify(*args, **kwargs)

    monkeypatch.setattr(script_calls, "verify_case", quiet)
    return requests


def _images(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_bytes(b"no image yet")
    return [folder / name for name in names]


def test_roles_of_several_files_come_from_their_names(
    tmp_path: Path, asked: list[tuple[CaseRequest, Protocol]]
) -> None:
    needle, post = _images(tmp_path, "needle.dcm", "post-2.dcm")
    script_calls.verify_case([str(needle), post], case_id="../x")
    ((request, protocol),) = asked
    assert [image.role for image in request.images] == [Role.NEEDLE, Role.POST]
    assert request.case_id == "x"
    assert protocol == load_protocol(DEFAULT_PROTOCOL)


def test_a_mapping_names_roles_whatever_the_files_are_called(
    tmp_path: Path, asked: list[tuple[CaseRequest, Protocol]]
) -> None:
    a, b = _images(tmp_path, "post.dcm", "b.dcm")
    script_calls.verify_case({"needle": [a, b]}, OTHER_PROTOCOL, contrast_given=False)
    ((request, protocol),) = asked
    assert [image.role for image in request.images] == [Role.NEEDLE, Role.NEEDLE]
    assert request.contrast_given is False
    assert protocol.name == OTHER_PROTOCOL


def test_what_a_person_settles_outranks_the_case_folder(
    tmp_path: Path, asked: list[tuple[CaseRequest, Protocol]]
) -> None:
    _images(tmp_path, "needle.dcm")
    (tmp_path / "case.toml").write_text(f'protocol = "{OTHER_PROTOCOL}"\nspacing_mm = 0.4\npolarity = "bone-dark"\n')
    script_calls.verify_case(tmp_path, overrides=CaseOverrides(spacing_mm=(0.2, 0.2)))
    ((request, protocol),) = asked
    assert request.overrides.spacing_mm == (0.2, 0.2)
    assert request.overrides.polarity == "bone-dark"
    assert protocol.name == OTHER_PROTOCOL


def test_calls_that_make_no_sense_are_refused_by_name(tmp_path: Path) -> None:
    (image,) = _images(tmp_path, "post.dcm")
    with pytest.raises(UsageError, match="no image has the role after"):
        fluorospread.verify_case({"after": image})
    with pytest.raises(UsageError, match="at least one image"):
        fluorospread.verify_case([])
    with pytest.raises(UsageError, match="named twice"):
        fluorospread.verify_case([image, image])
    with pytest.raises(UsageError, match="none was given"):
        gather_files([image], contrast_given=False)
    for paths in ([tmp_path / "none.dcm"], {"needle": tmp_path / "none.dcm"}, tmp_path / "none.dcm"):
        with pytest.raises(MissingFileError, match=r"none\.dcm"):
            fluorospread.verify_case(paths)
    with pytest.raises(ProtocolError, match="no protocol is called"):
        fluorospread.verify_case(image, "unheard-of")


def test_every_public_name_is_there_and_no_other() -> None:
    for name in fluorospread.__all__:
        assert getattr(fluorospread, name) is not None
    assert fluorospread.CaseResult is CaseResult
    with pytest.raises(AttributeError, match="no attribute 'verify_cases'"):
        fluorospread.verify_cases  # noqa: B018
