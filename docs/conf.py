"""Sphinx settings. The built site makes no request to other servers."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from mammorisk import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

_pyproject = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
repository = _pyproject["project"]["urls"]["Source"]

project = "mammorisk"
author = "The mammorisk developers"
copyright = author
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "matplotlib.sphinxext.plot_directive",
    # docs/_ext
    "command_line",
    "dataset_pages",
    "example_notebooks",
    "mathml",
    "offline",
    "public_api",
    "quality_pages",
    "warning_table",
]
templates_path = ["_templates"]
exclude_patterns = ["_ext", "_templates", "constraints.txt"]

# The notebooks show their stored outputs; tests/test_examples.py runs them.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_update_mathjax = False
html_math_renderer = "mathml"

smartquotes = False

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The start page draws its picture from its own code, on a simulated exam.
_work = HERE.parent / "build" / "start-page"
_work.mkdir(parents=True, exist_ok=True)
plot_working_directory = str(_work)
plot_pre_code = "from simulated_exam import make_exam; make_exam()"
plot_formats = [("png", 160)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True

html_theme = "pydata_sphinx_theme"
html_title = "mammorisk"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "logo": {"text": "mammorisk"},
    "icon_links": [{"name": "Repository", "url": repository, "icon": "fa-brands fa-github"}],
    "navbar_persistent": ["search-button"],
    "navbar_end": ["release", "theme-switcher", "navbar-icon-links"],
    "header_links_before_dropdown": 8,
    "show_prev_next": False,
    # Notebooks need the width for their code and tables.
    "secondary_sidebar_items": {
        "tutorials/notebooks/*": [],
        "tutorials/index": ["page-toc"],
        "for/*": ["page-toc"],
        "how-to/*": ["page-toc"],
        "explanation/*": ["page-toc"],
        "quality/[!s]*": ["page-toc"],
        # A wide table.
        "quality/soup": [],
        "reference/**": ["page-toc"],
        "architecture": ["page-toc"],
        "changelog": ["page-toc"],
    },
    "footer_start": ["notice"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "architecture": [], "changelog": []}
