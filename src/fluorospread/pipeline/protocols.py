"""A protocol's name or TOML file in, a checked `Protocol` out.

The built-in protocols and the schema they are checked against are data of `fluorospread.model`.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from fluorospread.errors import MissingFileError, ProtocolError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.protocol import ContrastDose, Protocol, Wording

DEFAULT_PROTOCOL = "total-dorsal-ramus-block-l4-l5"


def _folder() -> Traversable:
    return files("fluorospread.model").joinpath("protocols")


def protocol_names() -> tuple[str, ...]:
    """Names of the built-in protocols, in alphabetical order."""
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml"))
    )


def load_protocol(name_or_path: str) -> Protocol:
    """The built-in protocol of that name, or the one in a TOML file (anything ending in `.toml`).

    Raises
    ------
    MissingFileError
        There is no such file.
    ProtocolError
        The name is unknown, or the file does not fit the schema.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise MissingFileError(f"{path}: the protocol file cannot be read ({error.strerror})") from error
        return parse_protocol(content, str(path))
    if name_or_path not in protocol_names():
        raise ProtocolError(
            f"no protocol is called {name_or_path!r}; built in are {', '.join(protocol_names())}; "
            "a protocol of your own is given as the path of a .toml file"
        )
    return parse_protocol(_folder().joinpath(f"{name_or_path}.toml").read_bytes(), name_or_path)


def parse_protocol(content: bytes, origin: str) -> Protocol:
    """The protocol in a TOML file's bytes; `origin` names the file in messages.

    Raises
    ------
    ProtocolError
        The bytes are not TOML, or do not fit the schema; the message names the field.
    """
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProtocolError(f"{origin}: expected a TOML file in UTF-8 ({error})") from error
    _check_schema(document, origin)
    target, contrast, wording = document["target"], document.get("contrast"), document.get("wording", {})
    levels = tuple(Level(name) for name in target["levels"])
    return Protocol(
        name=document["name"],
        title=document["title"],
        target_level=levels[0],
        target_sides=tuple(Side(name) for name in target["sides"]),
        tolerance_mm=float(target["tolerance_mm"]),
        covered_levels=tuple(Level(name) for name in document["coverage"]["levels"]),
        dose=None if contrast is None else ContrastDose(**contrast),
        source=document["source"],
        sha256=hashlib.sha256(content).hexdigest(),
        further_target_levels=levels[1:],
        wording=Wording(wording.get("puncture", ""), wording.get("coverage", ""), target["tolerance_source"]),
    )


def _check_schema(document: dict[str, Any], origin: str) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads(_folder().joinpath("protocol.schema.json").read_text(encoding="utf-8"))
    error = best_match(Draft202012Validator(schema).iter_errors(document))
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path) or "the file"
        raise ProtocolError(f"{origin}: {where}: {error.message}")
