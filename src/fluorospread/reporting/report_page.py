"""Templates in, one self-contained page out, as HTML that works offline and as PDF of the same.

Every value is escaped, control and direction-changing characters are made visible, and the page's own
policy forbids scripts and anything from outside, so a patient name can neither run nor hide anything.
The PDF is set by WeasyPrint: it reads the same HTML and CSS (one source, no second layout), repeats the
standing sentence on every page, breaks tables between rows and needs no browser. It must find Pango.
"""

from __future__ import annotations

import base64
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

from fluorospread.atomic_files import write_atomically
from fluorospread.errors import OutputError

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A 4096 x 4096 RGBA picture is below this even where nothing compresses.
_LARGEST_PICTURE_BYTES = 70_000_000
_DIRECTION_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_NO_PANGO = (
    "the PDF needs the Pango text library, which is missing; install it "
    "(Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0) or ask for HTML only"
)


def render(template: str, **values: Any) -> str:
    """The page of a template in `reporting/templates`; the same values give the same bytes."""
    return str(_environment().get_template(template).render(**values))


def visible(text: str) -> str:
    """The text with control and bidirectional override characters replaced, so that none acts unseen."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _acts_unseen(c) else c for c in text)


def _acts_unseen(character: str) -> bool:
    if character in "\n\t":
        return False
    turns_text = unicodedata.bidirectional(character) in _DIRECTION_CONTROLS
    return turns_text or unicodedata.category(character) in ("Cc", "Cs")


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    return Environment(
        loader=PackageLoader("fluorospread.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def drawing(svg: str) -> Any:
    """An SVG that the program drew itself, marked as safe to place in a page."""
    from markupsafe import Markup

    return Markup(svg)


def png_data_uri(content: bytes, name: str) -> str:
    """PNG bytes as a `data:` address, so that the page needs no other file; `name` is for the message.

    Raises
    ------
    OutputError
        Not a PNG, or too large to embed.
    """
    if len(content) > _LARGEST_PICTURE_BYTES:
        raise OutputError(f"{name}: {len(content)} bytes is too large to embed, the most is {_LARGEST_PICTURE_BYTES}")
    if not content.startswith(_PNG_SIGNATURE):
        raise OutputError(f"{name}: expected a PNG picture")
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def html_to_pdf(page: str) -> bytes:
    """The page as PDF, A4. The same page gives the same bytes.

    Raises
    ------
    OutputError
        Pango is not installed.
    """
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except OSError as error:
        raise OutputError(_NO_PANGO) from error

    # Only what the page itself carries is read; nothing is fetched from a disk or a network.
    fetcher = URLFetcher(allowed_protocols=["data"])
    pdf: bytes = HTML(string=page, url_fetcher=fetcher).write_pdf(pdf_tags=True)
    return pdf


def write_page(page: str, html_path: Path, pdf_path: Path | None) -> tuple[Path, ...]:
    """Write a page as HTML and, where `pdf_path` is given, as PDF of the same; returns the files written.

    Raises
    ------
    OutputError
        The folder cannot be written, or Pango is missing; the HTML is then written all the same.
    """
    write_atomically(html_path, page.encode("utf-8"))
    if pdf_path is None:
        return (html_path,)
    try:
        write_atomically(pdf_path, html_to_pdf(page))
    except OutputError as error:
        raise OutputError(f"{html_path} is written, but {error}") from error
    return html_path, pdf_path
