"""How a chart looks: colours, fonts, and the library that draws.

Here: Vega-Lite specifications in, SVG out. The page defines each colour twice, for light and for dark mode, so that one
drawing serves both; a picture outside the page gets the light colours. Not here: what a chart shows.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import vl_convert

# A Vega-Lite specification, or a part of one: https://vega.github.io/vega-lite/docs/spec.html
Spec = dict[str, Any]

# Width of a drawing. A phone shows it at about this width, a desktop at 1.5 times: text is readable on both.
WIDTH = 420

# The reader's fonts may be wider than the font that the drawing was measured with.
PADDING = {"left": 14, "right": 8, "top": 4, "bottom": 4}

# Blue and orange stand for the two sides of most charts, because one reader in twelve cannot distinguish red and green.
LIGHT = {
    "paper": "#ffffff",
    "card": "#f5f7fa",
    "ink": "#17202b",
    "soft": "#52606f",
    "grid": "#e3e8ee",
    "line": "#aeb8c4",
    "band": "#d3dbe5",
    "blue": "#1b6cb0",
    "orange": "#b54d0f",
    "purple": "#7a4aa8",
    "green": "#0b7a5c",
    "red": "#b3352b",
    "brown": "#7d5a1e",
    "pink": "#b03a78",
    "quiet": "#687482",
    "low_2": "#f3b48a",
    "low_1": "#f9dcc6",
    "even": "#eceff3",
    "high_1": "#cfe2f5",
    "high_2": "#93c1ea",
}
DARK = {
    "paper": "#11161c",
    "card": "#1a212a",
    "ink": "#e8edf3",
    "soft": "#a9b4c1",
    "grid": "#29323d",
    "line": "#5a6675",
    "band": "#313d4b",
    "blue": "#69b1f0",
    "orange": "#f2965a",
    "purple": "#c4a0ea",
    "green": "#4fc9a0",
    "red": "#f28b81",
    "brown": "#d3ab66",
    "pink": "#ec8fbf",
    "quiet": "#8f9baa",
    "low_2": "#8a4a1d",
    "low_1": "#52321e",
    "even": "#262e38",
    "high_1": "#1f3a55",
    "high_2": "#2462a0",
}

# The group of invisible marks that carry the tooltips of a line.
HOVER = "hover"


def color(name: str) -> str:
    """A colour as a variable of the page. Raises KeyError for an unknown name."""
    if name not in LIGHT:
        raise KeyError(f"no colour is named {name}")
    return f"var(--{name})"


_AXIS = {
    "labelColor": color("soft"),
    "titleColor": color("soft"),
    "labelFontSize": 11,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
    "gridColor": color("grid"),
    "domainColor": color("line"),
    "tickColor": color("line"),
    "labelOverlap": True,
    "titlePadding": 8,
}
_LEGEND = {
    "labelColor": color("ink"),
    "labelFontSize": 11,
    "orient": "top",
    "title": None,
    "offset": 4,
    "padding": 0,
    "columnPadding": 10,
    "symbolStrokeWidth": 2,
}
_CONFIG = {
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": _AXIS,
    "legend": _LEGEND,
    "text": {"color": color("ink"), "fontSize": 11},
    "line": {"strokeWidth": 1.6, "strokeJoin": "round"},
    "rule": {"color": color("line")},
}


def draw(name: str, spec: Spec, height: int) -> str:
    """Draw a specification.

    Args:
        name: The id of the chart, which makes the references inside the SVG unique on the page.
        spec: The specification, without size and colours of axes.
        height: Height of the whole drawing, in the units of WIDTH.

    Returns:
        The SVG.
    """
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": PADDING,
        "config": _CONFIG,
        **spec,
    }
    svg = vl_convert.vegalite_to_svg(whole, allowed_base_urls=[])
    # The library numbers references through all drawings of a process; the same chart should give the same text.
    inner = {found: f"{name}-{number}" for number, found in enumerate(dict.fromkeys(re.findall(r' id="(\w+)"', svg)))}
    return re.sub(r'(?<= id=")\w+(?=")|(?<=url\(#)\w+(?=\))', lambda found: inner[found.group()], svg)


def inlined(svg: str) -> str:
    """A drawing for an HTML page, which needs no namespaces."""
    return re.sub(r' (xmlns(:xlink)?|version)="[^"]*"', "", svg, count=3)


def as_image(title: str, svg: str) -> str:
    """A drawing as a Markdown image with the data inside: light colours, white ground, no tooltips."""
    plain = re.sub(rf'<g class="mark-symbol role-mark {HOVER}_marks".*?</g>', "", svg, flags=re.DOTALL)
    plain = re.sub(r' aria-(label|roledescription)="[^"]*"', "", plain)
    plain = re.sub(r"var\(--([a-z_0-9]+)\)", lambda found: LIGHT[found.group(1)], plain)
    plain = plain.replace(">", f'><rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>', 1)
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(plain.encode()).decode()})"


def with_tooltip(layer: Spec, text: str) -> Spec:
    """A layer whose marks show the field `text` when a pointer is near."""
    encoding = {**layer["encoding"], "description": {"field": text, "type": "nominal"}}
    return {**layer, "mark": {**layer["mark"], "aria": True}, "encoding": encoding}


def hover(x: Spec, y: Spec, text: str, **more: Any) -> Spec:
    """A layer of invisible dots along a line, which show their tooltip when a pointer is near.

    Args:
        x: The encoding of x.
        y: The encoding of y.
        text: The field of the rows that holds the tooltip.
        more: More properties of the layer, for instance its data.

    Returns:
        The layer.
    """
    mark = {"type": "circle", "size": 40, "opacity": 0, "color": color("ink"), "clip": True}
    return with_tooltip({"name": HOVER, "mark": mark, "encoding": {"x": x, "y": y}, **more}, text)
