"""The templates of feedback and report."""

import functools
import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

TEMPLATES = Path(__file__).parent / "templates"


@functools.cache  # compiling a template takes longer than filling it in
def environment() -> jinja2.Environment:
    """Return the templates; everything that is put into them is escaped."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["words"] = _words
    return templates


def _words(text: str) -> Markup:
    """Return words of a check as HTML: what stands in `backticks` is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
