"""How a chart looks: colours, type, and the one library that draws.

Here: Vega-Lite specifications in, SVG out. Colours are names that the page defines twice, for light and for dark, so
that one drawing serves both; a picture that stands alone gets the light ones. Not here: what a chart shows.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import vl_convert

# A Vega-Lite specification, or a part of one: https://vega.github.io/vega-lite/docs/spec.html
Spec = dict[str, Any]

# Units of a drawing. A phone shows it at about this width, a desktop half as wide again: text is readable on both.
WIDTH = 420

# Letters of the reader's machine may be wider than those that the drawing was measured with.
PADDING = {"left": 14, "right": 8, "top": 4, "bottom": 4}

# What each colour is for; blue and orange, because one reader in twelve cannot tell red from green.
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

# The group of marks that only a pointer finds.
HOVER = "hover"


def color(name: str) -> str:
    """A colour as the page knows it."""
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
    """The SVG of a specification; `name` makes its inner references unique on a page that holds many."""
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
    # The library numbers them on from drawing to drawing; the same chart is to give the same text.
    inner = {found: f"{name}-{number}" for number, found in enumerate(dict.fromkeys(re.findall(r' id="(\w+)"', svg)))}
    return re.sub(r'(?<= id=")\w+(?=")|(?<=url\(#)\w+(?=\))', lambda found: inner[found.group()], svg)


def inlined(svg: str) -> str:
    """A drawing as part of an HTML page, which needs no namespaces."""
    return re.sub(r' (xmlns(:xlink)?|version)="[^"]*"', "", svg, count=3)


def as_image(title: str, svg: str) -> str:
    """A drawing as a Markdown image that carries its own data: light colours, on paper, nothing to point at."""
    plain = re.sub(rf'<g class="mark-symbol role-mark {HOVER}_marks".*?</g>', "", svg, flags=re.DOTALL)
    plain = re.sub(r' aria-(label|roledescription)="[^"]*"', "", plain)
    plain = re.sub(r"var\(--([a-z_0-9]+)\)", lambda found: LIGHT[found.group(1)], plain)
    plain = plain.replace(">", f'><rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>', 1)
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(plain.encode()).decode()})"


def told(layer: Spec, text: str) -> Spec:
    """A layer whose marks say, where a pointer is near, what the field `text` says."""
    encoding = {**layer["encoding"], "description": {"field": text, "type": "nominal"}}
    return {**layer, "mark": {**layer["mark"], "aria": True}, "encoding": encoding}


def hover(x: Spec, y: Spec, text: str, **more: Any) -> Spec:
    """A layer of dots along a line that are not seen until a pointer is near, and then say what `text` says."""
    mark = {"type": "circle", "size": 40, "opacity": 0, "color": color("ink"), "clip": True}
    return told({"name": HOVER, "mark": mark, "encoding": {"x": x, "y": y}, **more}, text)
