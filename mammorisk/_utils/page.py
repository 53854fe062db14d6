"""Self-contained HTML pages, which load nothing from other places."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from mammorisk._utils.style import BLUE, NOTICE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = f"""
:root {{ color-scheme: light; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem;
       color: #1b1b1b; background: #fff; overflow-wrap: break-word; }}
h1 {{ font-size: 1.7rem; line-height: 1.2; }}
h2 {{ margin-top: 2.4rem; font-size: 1.3rem; border-bottom: 2px solid {BLUE};
     padding-bottom: .2rem; }}
.notice {{ background: #fff3cd; padding: .6rem 1rem; }}
nav {{ font-size: .9rem; }}
nav a {{ display: inline-block; margin-right: .8rem; color: #00528a; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .85rem; }}
th, td {{ padding: .2rem .6rem; text-align: left; border-bottom: 1px solid #ddd;
         vertical-align: top; }}
th {{ border-bottom: 2px solid #999; }}
td {{ font-variant-numeric: tabular-nums; min-width: 4rem; }}
td.whole {{ white-space: nowrap; }} td.long {{ min-width: 14rem; }}
.legend {{ font-size: .75rem; color: #444; margin-top: .3rem; }}
img {{ max-width: 100%; height: auto; display: block; margin: 1rem 0; }}
details {{ margin: .6rem 0; }} summary {{ cursor: pointer; color: #00528a; }}
@media print {{ nav {{ display: none; }} details > * {{ display: block; }}
  .wide {{ overflow: visible; }} h2 {{ break-after: avoid; }} img, tr {{ break-inside: avoid; }}
  body {{ max-width: none; }} table {{ font-size: .65rem; }} td.whole {{ white-space: normal; }}
  td, td.long {{ min-width: 0; }} }}
"""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of a page, with a heading.

    Attributes
    ----------
    key : str
        Anchor of links, in ASCII letters.
    title : str
        Plain text.
    parts : sequence of str
        HTML. Empty parts are left out. A section without content is left out too.
    """

    key: str
    title: str
    parts: Sequence[str]


def html_page(
    title: str,
    sections: Sequence[Section],
    *,
    lead: str = "",
    notice: str = NOTICE,
    links: bool = True,
) -> str:
    """Build an HTML page.

    Parameters
    ----------
    title : str
        Plain text.
    sections : sequence of Section
    lead : str
        HTML between the notice and the first section.
    notice : str
        Plain text.
    links : bool
        Whether to show links to the sections above them.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> from mammorisk._utils.page import Section, html_page
    >>> page = html_page("Report", [Section(key="auc", title="AUC", parts=["<p>0.70</p>"])])
    >>> "<h2>AUC</h2>" in page
    True
    """
    shown = [(one, [part for part in one.parts if part]) for one in sections]
    shown = [(one, parts) for one, parts in shown if parts]
    body = "\n".join(
        f"<section id='{one.key}'><h2>{escape(one.title)}</h2>\n" + "\n".join(parts) + "</section>"
        for one, parts in shown
    )
    to_sections = " ".join(f"<a href='#{one.key}'>{escape(one.title)}</a>" for one, _ in shown)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<link rel='icon' href='data:,'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p class='notice'>{escape(notice)}</p>{lead}"
        + (f"<nav>{to_sections}</nav>" if links else "")
        + f"{body}</body></html>"
    )


def picture(png: bytes, alt: str) -> str:
    """Return an HTML element with the data of a PNG image.

    Parameters
    ----------
    png : bytes
    alt : str
        Alternative text for readers who cannot see the picture.

    Returns
    -------
    str
        HTML.
    """
    encoded = base64.b64encode(png).decode("ascii")
    return f"<img alt='{escape(alt, quote=True)}' src='data:image/png;base64,{encoded}'>"


def drawn(figure: Figure, alt: str, *, dpi: int = 130) -> str:
    """Convert a figure to an HTML element and close the figure."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return picture(buffer.getvalue(), alt)


def folded(summary: str, content: str) -> str:
    """Return content that opens when its summary is clicked. Empty content gives ``""``."""
    if not content:
        return ""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"
