"""Show a figure: live in Jupyter, live in the HTML book without a kernel, and as a picture where nothing runs.

What is emitted is one ``<figure>`` of plain HTML. It holds a still picture (for print, for a page without JavaScript,
and while nothing is drawn yet) and, for a plotly figure, the figure's data; ``static/figure.js`` draws that over the
still when it comes into view and gives it the colours of the page. The plotly MIME type is never used: Jupyter Book
drops it without a word.
"""

import base64
import html
import json
import os
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from handlib.errors import BadInputError, MissingExtraError
from handlib.viz import pictures
from handlib.viz.figures import SCENE_TRACES
from handlib.viz.theme import plotly_layout

STATIC = Path(__file__).parent / "static"
"""The scripts and the style sheet that figures need; the book's builder copies them."""

BOOK_VARIABLE = "HANDLIB_BOOK"
"""Environment variable that is set while a notebook is executed for the book: the page brings the scripts itself."""

_loaded_in_kernel = False


def in_book() -> bool:
    """Whether this notebook is being executed for the book (no live front end, nobody to move a slider)."""
    return os.environ.get(BOOK_VARIABLE, "") not in ("", "0")


def show(fig: Any, alt: str, caption: str | None = None, name: str | None = None, still: Any = None) -> None:
    """Show a figure in a notebook, in the HTML book and, as a still picture, in print.

    Args:
        fig: a plotly figure, a matplotlib figure, an image array ((H,W), (H,W,3) or (H,W,4); uint8 or float 0..1), a
            PIL image, or the path of an image file.
        alt: what the figure shows, in words, for a reader who does not see it: what there is to see, not "a plot".
        caption: text under the figure; HTML characters are escaped, ``*emphasis*`` and ```code``` are not.
        name: short name (letters, digits, hyphens); the figure's address on the page becomes ``#figure-<name>``.
        still: picture of a plotly figure for print, as any of the non-plotly kinds of ``fig``; None draws it from the
            figure itself.

    Raises:
        BadInputError: ``alt`` is empty, ``fig`` is not a figure, or a still of this plotly figure has to be given.
        MissingExtraError: IPython is not installed.
    """
    body, picture = _compose(fig, alt, caption, name, still)
    emit(body, alt, picture)
    _close_if_matplotlib(fig)


def emit(body: str, alt: str, picture: Any = None) -> None:
    """Display a figure's HTML, with the scripts it needs, and its picture for what reads notebooks without HTML.

    Raises:
        MissingExtraError: IPython is not installed.
    """
    if find_spec("IPython") is None:
        raise MissingExtraError("a figure is shown in a notebook, and IPython is missing; pip install -e '.[book]'")
    from IPython.display import display

    bundle = {"text/html": _scripts() + body, "text/plain": f"[figure: {alt}]"}
    if picture is not None:
        bundle["image/png"] = base64.b64encode(pictures.png_bytes(picture)).decode()
    display(bundle, raw=True)


def figure_html(fig: Any, alt: str, caption: str | None = None, name: str | None = None, still: Any = None) -> str:
    """The HTML of one figure, as :func:`show` emits it (arguments and errors as there), without the scripts."""
    return _compose(fig, alt, caption, name, still)[0]


def wrap_figure(content: str, kind: str, alt: str, caption: str | None = None, name: str | None = None) -> str:
    """Put a figure's content into the ``<figure>`` element that style sheet, script and tests look for.

    Raises:
        BadInputError: ``alt`` is empty, or ``name`` has other characters than letters, digits and hyphens.
    """
    if not isinstance(alt, str) or len(alt.strip()) < 8:
        raise BadInputError(
            f"alt={alt!r}: expected a sentence that says what the figure shows; readers who do not see it rely on it"
        )
    if name is not None and not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise BadInputError(f"name={name!r}: expected letters, digits and hyphens, such as 'rest-pose'")
    address = f' id="figure-{name}"' if name else ""
    under = f"<figcaption>{_inline_markup(caption)}</figcaption>" if caption else ""
    return f'<figure class="hl-figure hl-{kind}" data-hl-figure="{kind}"{address}>{content}{under}</figure>'


def _inline_markup(text: str) -> str:
    """Escape HTML and turn ``*emphasis*`` and code between backquotes into elements."""
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", text)


def _compose(fig: Any, alt: str, caption: str | None, name: str | None, still: Any) -> tuple[str, Any]:
    """HTML of a figure and its light still picture (None where there is none)."""
    wrap_figure("", "image", alt, caption, name)  # complain about alt before any drawing
    if not _is_plotly(fig):
        stills = _pictures(fig)
        return wrap_figure(_stills_html(stills, alt), "image", alt, caption, name), stills["light"]
    stills = {} if still is False else _pictures(_plotly_still(fig) if still is None else still)
    spec = plotly_spec(fig)
    height = spec["layout"].setdefault("height", 420)
    label = html.escape(alt, quote=True)
    content = (
        f'<div class="hl-stage" style="--hl-height:{int(height)}px">{_stills_html(stills, alt)}'
        f'<div class="hl-live" role="img" aria-label="{label}"></div></div>'
        f'<script type="application/json" class="hl-spec">{json_for_script(spec)}</script>'
    )
    return wrap_figure(content, "plotly", alt, caption, name), stills.get("light")


def still_html(fig: Any, alt: str) -> str:
    """The still of a figure alone, as the ``<img>`` elements that the style sheet knows."""
    return _stills_html(_pictures(_plotly_still(fig) if _is_plotly(fig) else fig), alt)


def plotly_spec(fig: Any) -> dict[str, Any]:
    """Data and layout of a plotly figure with the book's look under the figure's own settings, ready for JSON."""
    spec = json.loads(fig.to_json())
    own = spec.get("layout", {})
    own.pop("template", None)
    layout = _merge(plotly_layout(), own)
    for key in own:  # further axes and scenes of a figure with several panels get the same look
        if re.fullmatch(r"[xy]axis\d+", key):
            layout[key] = _merge(plotly_layout()["xaxis"], own[key])
        elif re.fullmatch(r"scene\d+", key):
            layout[key] = _merge(plotly_layout()["scene"], own[key])
    in_space = [trace.get("type", "scatter") in SCENE_TRACES for trace in spec["data"]]
    if not any(in_space):
        del layout["scene"]
    elif all(in_space):
        layout.pop("xaxis"), layout.pop("yaxis")
    return {"data": spec["data"], "layout": layout}


def json_for_script(value: Any) -> str:
    """JSON that can stand inside a ``<script>`` element: no ``</`` in it."""
    return json.dumps(value, separators=(",", ":")).replace("</", "<\\/")


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` laid on it, dictionary by dictionary."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _is_plotly(fig: Any) -> bool:
    return type(fig).__module__.startswith("plotly.")


def _is_matplotlib(fig: Any) -> bool:
    return type(fig).__module__.startswith("matplotlib.")


def _plotly_still(fig: Any) -> Any:
    from handlib.viz.stills import plotly_to_matplotlib

    return plotly_to_matplotlib(fig)


def _pictures(fig: Any) -> dict[str, Any]:
    """Light and dark picture of anything that is not a plotly figure."""
    if _is_matplotlib(fig):
        figure = fig if hasattr(fig, "savefig") else fig.get_figure()
        stills = pictures.figure_pictures(figure)
        same = stills["light"].tobytes() == stills["dark"].tobytes()
        return {"light": stills["light"]} if same else stills
    if not hasattr(fig, "ndim") and not hasattr(fig, "save") and not isinstance(fig, str | Path):
        raise BadInputError(
            f"fig is a {type(fig).__name__}; expected a plotly or matplotlib figure, an image array, a PIL "
            "image or a path"
        )
    if hasattr(fig, "detach"):
        fig = fig.detach().cpu().numpy()
    return {"light": pictures.image_picture(fig)}


def _stills_html(stills: dict[str, Any], alt: str) -> str:
    """The ``<img>`` of each page's still; one for both pages where there is only one."""
    label = html.escape(alt, quote=True)
    return "".join(
        f'<img class="hl-still{f" hl-on-{page}" if len(stills) == 2 else ""}" alt="{label}"'
        f' width="{round(picture.width / picture.info.get("hl-scale", 1))}"'
        f' height="{round(picture.height / picture.info.get("hl-scale", 1))}" src="{pictures.data_uri(picture)}">'
        for page, picture in stills.items()
    )


def _close_if_matplotlib(fig: Any) -> None:
    """Close a matplotlib figure that pyplot holds, or the inline backend would draw it a second time without alt."""
    if _is_matplotlib(fig):
        import matplotlib.pyplot as plt

        plt.close(fig if hasattr(fig, "savefig") else fig.get_figure())


@lru_cache(maxsize=1)
def notebook_scripts() -> str:
    """Style sheet, plotly and the drawing script as HTML, for a live notebook: 5 MB, so once a kernel."""
    from plotly.offline import get_plotlyjs

    style = (STATIC / "figure.css").read_text()
    names = ("posable_hand.js", "draggable_keypoints.js", "turning_joint.js", "figure.js")
    scripts = [get_plotlyjs(), *((STATIC / name).read_text() for name in names)]
    return f"<style>{style}</style>" + "".join(f"<script>{code}</script>" for code in scripts)


def _scripts() -> str:
    """What has to stand before a figure: nothing in the book, all scripts before a kernel's first figure."""
    global _loaded_in_kernel
    if in_book():
        return ""
    first, _loaded_in_kernel = not _loaded_in_kernel, True
    return notebook_scripts() if first else ""
