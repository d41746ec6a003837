"""A report as data, and the page that it becomes: one HTML file with all its figures, which loads nothing.

What a section says is plain text; only the templates in `templates/` know HTML. They escape whatever they are given but
the figures, which are drawn here and escaped by what draws them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from nas_jax.report.diagrams import Diagram, describe_cell, describe_shape, lay_out
from nas_jax.report.svg import to_svg


class Fact(NamedTuple):
    """A number that a reader looks for first, and what it is."""

    name: str
    value: str
    note: str = ""


class Table(NamedTuple):
    """Cells of text. The columns named in `numeric` are set flush right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numeric: tuple[str, ...] = ()
    marked: int | None = None  # the row to stress


class Picture(NamedTuple):
    """A figure, what it shows in a few words, for those who cannot see it, and the text below it."""

    figure: Figure
    title: str
    caption: str = ""


class Tick(NamedTuple):
    """A place along an axis, in percent of it, and what stands there."""

    place: float
    text: str


class Point(NamedTuple):
    """A point that can be pointed at, in percent of the axes, and what it is."""

    id: str
    x: float
    y: float
    text: str


class Plane(NamedTuple):
    """Points over two axes; places are in percent of the axes. `tried` and `broken` are background."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    tried: tuple[tuple[float, float], ...]
    broken: tuple[tuple[float, float], ...]
    points: tuple[Point, ...]


class Example(NamedTuple):
    """An example, and what was predicted of it. `picture` is a PNG file in base64, "" where there is none."""

    title: str
    lines: tuple[str, ...]
    picture: str = ""


class Code(NamedTuple):
    """Lines to copy, with what they are for."""

    title: str
    text: str


class Section(NamedTuple):
    """A part of the page: its parts come in the order of the fields. `id` is what a link to it is made of."""

    id: str
    title: str
    verdict: str = ""  # one sentence, for who reads no more than that
    paragraphs: tuple[str, ...] = ()
    diagram: Diagram | None = None
    facts: tuple[Fact, ...] = ()
    planes: tuple[Plane, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    examples: tuple[Example, ...] = ()
    codes: tuple[Code, ...] = ()
    parts: tuple["Section", ...] = ()


def render(title: str, state: str, notes: Sequence[str], sections: Sequence[Section]) -> str:
    """The page.

    Args:
        title: of the page.
        state: how far the run came, in a sentence.
        notes: what a reader should know before all else, a sentence each.
        sections: in the order in which they are read.
    """
    environment = Environment(
        loader=PackageLoader("nas_jax.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    numbers = iter(range(1, 1_000_000))

    def draw(picture: Picture) -> Markup:
        """The figure as a part of the page: `to_svg` has escaped its text."""
        return Markup(to_svg(picture.figure, prefix=f"figure{next(numbers)}", title=picture.title))

    environment.globals.update(draw=draw, lay_out=lay_out, describe_cell=describe_cell, describe_shape=describe_shape)
    return environment.get_template("report.html").render(title=title, state=state, notes=notes, sections=sections)
