"""How the site is built: `make docs`."""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))
sys.path.insert(0, str(ROOT))  # benchmarks, whose results the figures come from

os.environ.setdefault("OMP_NUM_THREADS", "1")
import hebbstream  # noqa: E402

project = "hebbstream"
author = "The hebbstream authors"
project_copyright = author
release = version = hebbstream.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "mathml",
]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
nitpicky = False
default_role = "py:obj"  # a name in single backticks of a docstring is a link where it can be

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature has them
autosummary_generate = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Source"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

sphinx_gallery_conf = {
    "examples_dirs": [str(ROOT / "examples" / "start")],
    "gallery_dirs": ["start"],
    "filename_pattern": r"/\d_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 10_000,
    "write_computation_times": False,
    "show_signature": False,
    "reset_modules": ("matplotlib",),
    "plot_gallery": "True",
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "hebbstream"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "show_nav_level": 1,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "search_bar_text": "Search",
}

warnings.filterwarnings("error", module="hebbstream")
