"""A figure as SVG or PNG, the same bytes every time.

The library runs Vega without a browser; it is given all data and opens no address.
"""

from __future__ import annotations

from html import escape

from broadsheet.charts.figures import Figure, spec
from broadsheet.charts.themes import Theme

_FOOT = 26
_NAMED_ROOT = '<svg xmlns="http://www.w3.org/2000/svg" version="1.1" role="img" '


def as_svg(figure: Figure, theme: Theme, source: str) -> str:
    """A picture of its own height and width on no background; its texts are texts."""
    import vl_convert  # here: it brings a JavaScript engine

    drawn = vl_convert.vegalite_to_svg(spec(figure, theme))
    root, marks = drawn.split(">", 1)
    width, height = (float(_attribute(root, name)) for name in ("width", "height"))
    height += _FOOT
    foot = (
        f'<text x="4" y="{height - 8:g}" font-family="Helvetica Neue, Arial, sans-serif" '
        f'font-size="10px" fill="{theme.soft}">{escape(source)}</text></svg>\n'
    )
    return (
        f'{_NAMED_ROOT}width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" '
        f'aria-label="{escape(figure.title)}">'
        f"<title>{escape(figure.title)}</title><desc>{escape(figure.description)}</desc>"
        f"{marks.removesuffix('</svg>')}{foot}"
    )


def as_png(figure: Figure, theme: Theme, source: str) -> bytes:
    """The same on the theme's paper, at twice the size."""
    import vl_convert

    root, marks = as_svg(figure, theme, source).split(">", 1)
    paper = f'<rect width="100%" height="100%" fill="{theme.paper}"/>'
    return vl_convert.svg_to_png(f"{root}>{paper}{marks}", scale=2)


def _attribute(tag: str, name: str) -> str:
    return tag.split(f' {name}="', 1)[1].split('"', 1)[0]
