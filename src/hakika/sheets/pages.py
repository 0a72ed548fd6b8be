"""Empty pages for people: our letters, a foot with the page's number, lines, sections and tables.

The same text gives the same bytes: nothing of the day it is written is in it. Every text may be
somebody else's and stays text; what the letters here cannot draw is written as its number, so that
nothing of a name is lost without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import distribution

from fpdf import FPDF, FontFace
from fpdf.fonts import TTFFont

from hakika.domain.times import NAIROBI

Rows = Sequence[Sequence[str]]

_FONT = "Source Sans Pro"
_FONT_FILES = {"": "SourceSansPro-Regular.ttf", "B": "SourceSansPro-Semibold.ttf"}

MARGIN_MM = 16.0
LINE_MM, SMALL_MM = 4.6, 3.7
BODY, SMALL, _SECTION = 9, 7.5, 12    # points

INK, FAINT, _RULE = (27, 33, 39), (104, 115, 125), (214, 220, 225)
GREEN, RED, AMBER = (17, 112, 68), (176, 32, 37), (148, 92, 4)
LINE_CHARACTERS_MAX, _CELL_CHARACTERS_MAX = 200, 600


class Pages(FPDF):
    """Empty pages with our letters, each with its number at the foot."""

    def __init__(self, foot: str, *, pages: int) -> None:
        super().__init__(format="A4")
        self._foot_text, self._page_count = foot, pages
        self.str_alias_nb_pages = ""    # nobody's text is a place to put a number in
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, margin=MARGIN_MM + 2)
        for style, name in _FONT_FILES.items():
            package = distribution("font-source-sans-pro")
            path = package.locate_file(f"font_source_sans_pro/files/{name}")
            self.add_font(_FONT, style, str(path))
        self._letters = [each for each in self.fonts.values() if isinstance(each, TTFFont)]
        self._glyphs = self._letters[0].cmap

    def put_letters_back(self) -> None:
        """Close the files of our letters, which the library keeps open."""
        for each in self._letters:
            each.ttfont.close()

    def footer(self) -> None:
        """Write the foot of a page."""
        self.set_y(-12)
        self.ink(FAINT, SMALL)
        of = f" of {self._page_count}" if self._page_count else ""
        self.cell(self.epw * 3 / 4, 4, self._foot_text)
        self.cell(0, 4, f"Page {self.page_no()}{of}", align="R")

    def ink(self, color: tuple[int, int, int], points: float, *, bold: bool = False) -> None:
        """Choose the letters of what is written next."""
        self.set_font(_FONT, "B" if bold else "", points)
        self.set_text_color(*color)

    def drawn(self, text: str) -> str:
        """Return `text` with each sign that our letters do not have as its number: <U+1F600>."""
        return "".join(
            each if each == "\n" or (each.isprintable() and ord(each) in self._glyphs)
            else f"<U+{ord(each):04X}>"
            for each in text.replace("\r\n", "\n")
        )

    def section(self, title: str) -> None:
        """Begin a part of the page."""
        if self.will_page_break(30):
            self.add_page()
        self.ln(5)
        self.ink(INK, _SECTION, bold=True)
        self.cell(0, 6, title, new_x="LMARGIN", new_y="NEXT")
        self.ln(0.5)

    def rows(
        self, names: Sequence[str], widths: Sequence[int], rows: Rows, *, none: str,
        amounts: int = 0,
    ) -> None:
        """Write a table whose last `amounts` columns are numbers; `none`, when it has no rows."""
        if not rows:
            self.ink(FAINT, BODY)
            self.say(none)
            return
        self.ink(INK, SMALL + 0.5)
        self.set_draw_color(*_RULE)
        aligns = ("LEFT",) * (len(names) - amounts) + ("RIGHT",) * amounts
        with self.table(
            col_widths=tuple(widths), line_height=LINE_MM, text_align=aligns, padding=(0.8, 1.2),
            borders_layout="HORIZONTAL_LINES", v_align="TOP",
            headings_style=FontFace(emphasis="BOLD", color=FAINT),
        ) as table:
            for row in (names, *rows):
                table.row([self.drawn(short(each, _CELL_CHARACTERS_MAX)) for each in row])

    def say(self, text: str, height: float = LINE_MM) -> None:
        """Write a text, in as many lines as it needs."""
        self.multi_cell(
            0, height, self.drawn(text), align="L", new_x="LMARGIN", new_y="NEXT",
        )


def short(text: str, characters_max: int = LINE_CHARACTERS_MAX) -> str:
    """Return `text` so that a row stays on one page."""
    return text if len(text) <= characters_max else text[:characters_max - 1] + "…"


def local(when: str | None) -> str:
    """Return a time as people in Nairobi read it; nothing, when it never was."""
    if when is None:
        return ""
    return f"{datetime.fromisoformat(when).astimezone(NAIROBI):%Y-%m-%d %H:%M:%S}"


def grouped(amount: str) -> str:
    """Return 1,500.00 for 1500.00."""
    whole, _, cents = amount.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}.{cents}"
