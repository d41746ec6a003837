"""Figures as SVG within a page, in the colours of the page's style sheet.

Matplotlib draws with the colours of `COLOURS`; in the page each is a CSS variable, so that one drawing serves light,
dark and printed pages. Text stays text, in the page's font.
"""

import io
import re
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.figure import Figure

# By the name of the CSS variable. Blue, orange, green and red are of the Okabe-Ito palette. No ink is pure black, which
# matplotlib would leave out.
COLOURS = {
    "ink": "#1b1f24",
    "muted": "#8c8c8c",
    "line": "#e3e3e3",
    "blue": "#0072b2",
    "orange": "#e69f00",
    "green": "#009e73",
    "red": "#d55e00",
}


def to_svg(figure: Figure, *, prefix: str, title: str) -> str:
    """An `<svg>` element.

    Args:
        figure: drawn in `COLOURS`; what has another colour keeps it on every page.
        prefix: for its ids, to tell them from those of other figures in the page.
        title: what a screen reader says of it.
    """
    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}):
        figure.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    root = ElementTree.fromstring(file.getvalue())
    for parent in root.iter():
        for child in [child for child in parent if _local(child.tag) in ("metadata", "style")]:
            parent.remove(child)  # a style within a figure would hold for the whole page
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): _placed(_local(name), value, prefix) for name, value in element.items()}
    for name in ("width", "height"):
        del root.attrib[name]
    root.attrib |= {"class": "plot", "role": "img", "aria-label": title}
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    """Without its namespace, which HTML knows by itself."""
    return name.rpartition("}")[2]


def _placed(name: str, value: str, prefix: str) -> str:
    """An attribute's value as it has to be in the page."""
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        return value.replace("#", f"#{prefix}-", 1)
    if name == "clip-path":
        return value.replace("url(#", f"url(#{prefix}-", 1)
    if name == "style":
        value = re.sub(r"font: (?:[a-z]+ )*([\d.]+px)[^;]*", r"font-size: \1", value)
        for variable, colour in COLOURS.items():
            value = value.replace(colour, f"var(--{variable})")
    return value
