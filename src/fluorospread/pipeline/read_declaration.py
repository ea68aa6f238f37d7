"""A TOML file that a user wrote in, its values checked against a JSON Schema out."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fluorospread.errors import CaseError, MissingFileError

# A message quotes the value that does not fit; a whole table of them helps nobody.
_LONGEST_QUOTE = 300


def read_declaration(path: Path, schema_file: str) -> dict[str, Any]:
    """The values of a TOML file that fit `schema_file`, a JSON Schema beside this module.

    Raises
    ------
    MissingFileError
        The file cannot be read.
    CaseError
        It is not TOML in UTF-8, or does not fit the schema; the message names the field.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    try:
        declared = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFileError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CaseError(f"{path}: expected TOML in UTF-8 ({error})") from error
    wrong = best_match(Draft202012Validator(_schema(schema_file)).iter_errors(declared))
    if wrong is not None:
        where = ".".join(str(part) for part in wrong.absolute_path) or "the file"
        raise CaseError(f"{path}: {where}: {wrong.message[:_LONGEST_QUOTE]}")
    return declared


@cache
def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(files("fluorospread.pipeline").joinpath(name).read_text(encoding="utf-8"))
    return schema
