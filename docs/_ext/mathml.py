"""Write equations as MathML, which browsers draw themselves: a page needs no script from elsewhere."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def mathml(text: str, **options: str) -> str:
    """Convert an equation. Bars become pairs of fences: a single one that has an exponent falls below the line."""
    fenced = re.sub(r"\\(?=l[vV]ert\b)", r"\\left\\", text)
    return convert(re.sub(r"\\(?=r[vV]ert\b)", r"\\right\\", fenced), **options)


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write an equation within a line."""
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write an equation of its own."""
    self.body.append(f'<div class="equation">{mathml(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Become the renderer."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
