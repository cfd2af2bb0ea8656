"""Settings of the documentation's site: `make site` builds it, offline and for offline reading."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS / "_ext"))

import ziamath  # noqa: E402

import shakeslide  # noqa: E402 - the path of the extensions comes first

for name in ("shakeslide", "pyogrio", "rasterio"):  # Sphinx shows what the gallery's scripts log
    logging.getLogger(name).setLevel(logging.WARNING)

project = "shakeslide"
author = "The shakeslide developers"
copyright = "The shakeslide developers, BSD-3-Clause"
version = release = shakeslide.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "mathml",
]
exclude_patterns = ["gallery/*.ipynb", "gallery/*.py", "gallery/*.md5", "gallery/*.zip"]

myst_enable_extensions = ["dollarmath", "html_image", "deflist"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

napoleon_google_docstring = False
# As plain lists: the words of a type (`shape`, `factors`) are no links.
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_custom_sections = [("Attributes", "params_style")]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 90

html_theme = "furo"
html_title = "shakeslide"
FONT = Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf"  # OFL licence
html_static_path = ["_static", str(FONT)]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": "",
    "run_stale_examples": True,  # an unchanged script may fail where the package has changed
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "notebook_extensions": {},
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 1,
    "capture_repr": (),
    "image_scrapers": ("matplotlib",),
}

OUTSIDE = {
    "architecture": "ARCHITECTURE.md",
    "benchmarks": "benchmarks/README.md",
    "changes": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "kashmir2005": "examples/kashmir2005/README.md",
}
"""Pages whose text stands elsewhere in the repository."""
LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def take_in(app: Any, page: str, source: list[str]) -> None:
    """Give a page its text from elsewhere, and point its links at the site's pages."""
    origin = ROOT / OUTSIDE.get(page, f"docs/{page}.md")
    if not origin.is_file():
        return
    if page in OUTSIDE:
        source[0] = origin.read_text(encoding="utf-8")
    source[0] = LINK.sub(lambda found: _link(found, origin, page), source[0])


def _link(found: re.Match[str], origin: Path, page: str) -> str:
    target = Path(os.path.normpath(origin.parent / found[1]))
    for name, path in OUTSIDE.items():
        if target == ROOT / path:
            target = DOCS / f"{name}.md"
    here = (DOCS / page).parent
    return f"]({os.path.relpath(target, here)}{found[2] or ''})"


def skip(app: Any, what: str, name: str, value: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn and pydantic add to each class."""
    return True if name == "model_config" or re.fullmatch(r"set_\w+_request", name) else None


def plain(app: Any, what: str, name: str, value: Any, options: Any, *signature: Any) -> Any:
    """Leave out the signature of protocols, which nobody calls."""
    return ("", None) if getattr(value, "_is_protocol", False) else None


def setup(app: Any) -> None:
    """Register with Sphinx."""
    app.connect("autodoc-process-signature", plain)
    app.connect("autodoc-skip-member", skip)
    app.connect("source-read", take_in)
