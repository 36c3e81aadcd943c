"""One result, three renderings: each shows every word and number, and none reads users' markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from cpz.report.chart_values import BarChart, BarSeries, Interval
from cpz.report.format import COUNT, PERCENT
from cpz.report.html.fragment import fragment
from cpz.report.html.render import render
from cpz.report.markdown import render_blocks, render_markdown
from cpz.report.terminal.render import text_of
from cpz.report.values import (
    Block,
    KeyFigure,
    Link,
    Links,
    Mark,
    Note,
    Report,
    Section,
    Status,
    Table,
    Text,
    table,
    tally,
)

CHART = BarChart("Shares", "Card leads.", ("card",), (BarSeries("share", (0.75,)),), label="method")
BLOCKS: tuple[Block, ...] = (
    Text((Mark("verdict"), " is ", Mark("red", Status.STOP), "\nsecond line")),
    table("sizes", ("table", "rows"), (("a", "1"), (Mark("b"), Mark("22", Status.OK))), note="why"),
    CHART,
    Note(Status.CAUTION, "look at `x`"),
    Text("said in passing", is_aside=True),
    Links((Link("page", "a/report.html", "more"),)),
)
#: What users may write: of Rich, of HTML, of Markdown, and what GitHub makes of plain words.
AWKWARD = (
    *("[red]x[/red]", "<b>x</b>", "&lt;x", "a|b", "`x`", "*x*", "_x_", "[x](http://x.y)"),
    *("# x", "- x", "1. x", "2) x", "= x", "> x", "~~x~~", "$x$", ":smile:", "\\|x", "@x", "#12"),
    *("GH-12", "![x](y)", "--- | ---"),
)


def report_of(*blocks: Block) -> Report:
    return Report(
        title="A title",
        subtitle="of data",
        summary=(KeyFigure("value", 0.5, Interval(0.4, 0.6), PERCENT, "so", Status.OK),),
        trust=(Note(Status.INFO, "as far as it goes"),),
        sections=(Section("s", "Evidence", "An intro.", blocks),),
        command="cpz evaluate --policy 'a`b'",
        config_toml='[a]\nb = "```"\n',
        warnings=("careful",),
        next_steps=("go on",),
    )


class Words(HTMLParser):
    """The words and tags of HTML, without style sheets and drawings."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.tags: set[str] = set()
        self._skipped = 0
        self.feed(html)

    @property
    def text(self) -> str:
        return "".join(self.found)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._skipped += tag in ("style", "svg")

    def handle_endtag(self, tag: str) -> None:
        self._skipped -= tag in ("style", "svg")

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.found.append(data)


def read(markdown: str) -> Words:
    """Read Markdown as GitHub does: CommonMark with tables and strike-through, HTML let through."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return Words(reader.render(markdown))


def test_each_rendering_has_every_word_and_number() -> None:
    report = report_of(*BLOCKS)
    html = Words(render(report)).text
    terminal, markdown = text_of(BLOCKS), read(render_markdown(report)).text
    for word in ("verdict", "red", "second line", "sizes", "22", "method", "75.0%", "look at"):
        assert word in html
        assert word in terminal
        assert word in markdown
    for word in ("A title", "of data", "50%", "40% to 60%", "as far", "An intro.", "careful"):
        assert word in html
        assert word in markdown
        assert word not in terminal
    assert "why" in html
    assert "why" in markdown
    assert "why" not in terminal


def test_a_terminal_shows_blocks_apart_without_trailing_blanks() -> None:
    sizes = tally("sizes", ("table", "rows"), {"a": 1, "b": 22})
    shown = text_of((Text("first\nsecond"), sizes, Text("last")), 60)
    assert shown == "first\nsecond\n\nsizes\ntable  rows\na         1\nb        22\n\nlast"
    assert text_of(()) == ""


def test_a_chart_is_its_numbers_on_a_terminal_and_folded_away_in_markdown() -> None:
    assert text_of((CHART,)) == "Shares\nmethod  share\ncard    75.0%"
    shown = render_blocks((CHART,))
    assert shown.startswith("**Shares**: Card leads.\n\n<details>")
    assert "| method | share |\n| --- | ---: |\n| card | 75.0% |\n\n</details>" in shown


def test_markdown_tables_keep_alignment_marks_and_lines() -> None:
    rows = (("a\nb", Mark("no", Status.STOP)), (Mark("c"), "2"))
    shown = render_blocks((table("sizes", ("what", "n"), rows, note="why"),))
    assert shown == (
        "**sizes**\n\nwhy\n\n| what | n |\n| --- | ---: |\n| a<br>b | ⛔ **no** |\n| **c** | 2 |\n"
    )


def test_markdown_folds_the_configuration_and_fences_longer_than_its_ticks() -> None:
    shown = render_markdown(report_of())
    assert "<details><summary>Resolved configuration</summary>\n\n````\n[a]\n" in shown
    assert "```\ncpz evaluate --policy 'a`b'\n```" in shown
    assert "cpz " in shown.splitlines()[-1]


def test_texts_keep_code_and_statuses_their_icons_in_markdown() -> None:
    assert render_blocks((Note(Status.CAUTION, "run `cpz | x` now"),)) == (
        "⚠️ **Caution**: run `cpz | x` now\n"
    )
    assert render_blocks((Text((Mark("a", Status.OK), " b\nc")),)) == "✅ **a** b\\\nc\n"


@pytest.mark.parametrize("text", AWKWARD)
def test_what_users_wrote_stays_text_in_markdown(text: str) -> None:
    row = (f"3{text}", Mark(text, Status.OK))
    shown = render_blocks((table(text, (text, f"2{text}"), (row,)), Text((Mark(text), f" {text}"))))
    found = read(shown)
    assert found.tags == {"p", "strong", "table", "thead", "tbody", "tr", "th", "td"} | (
        {"code"} if "`" in text else set()  # a text may set words in backticks, a cell may not
    )
    words = [word.strip() for word in found.found if word.strip()]
    assert "".join(words) == "".join(
        (text, text, f"2{text}", f"3{text}", "✅", text, text, text.strip("`"))
    )
    # GitHub looks for these in the text, when escapes are gone
    pings = re.compile(r"(?<![\w`])(@|\\?#|GH-)(?=[\w\\])|:\w+:|://")
    assert not pings.search(shown)


@pytest.mark.parametrize(
    "text", ["# x", "- x", "-", "---", "+ x", "1. x", "12) x", "=== x", "> x", "    x", "* * *"]
)
def test_no_line_of_markdown_opens_a_heading_a_list_or_a_quote(text: str) -> None:
    found = read(render_blocks((Text(f"a\n{text}"), Text(text))))
    assert found.tags == {"p", "br"}
    assert found.text.split() == ["a", *text.split(), *text.split()]
    report = replace(report_of(), subtitle=text, warnings=(text,))
    assert read(render_markdown(report)).tags >= {"ul", "li", "pre"}
    assert not read(render_markdown(report)).tags & {"ol", "hr", "blockquote", "h1", "h4"}


@pytest.mark.parametrize("text", AWKWARD)
def test_what_users_wrote_stays_text_on_a_terminal_and_in_html(text: str) -> None:
    blocks = (
        table(f"1{text}", (f"2{text}", "n"), ((f"3{text}", Mark(f"4{text}", Status.OK)),)),
        Text((f"5{text}", Mark(f"6{text}"))),
    )
    terminal = text_of(blocks, 200)
    notebook = Words(fragment(blocks)).text
    assert all(f"{place}{text}" in terminal for place in range(1, 7))
    assert all(f"{place}{text}" in notebook for place in range(1, 7))


def test_a_fragment_keeps_alignment_and_marks() -> None:
    shown = fragment(
        [
            table("c & d", ("what", "n"), (("a<b", Mark("OK", Status.OK)),)),
            Text("x\x00y\nz"),
            Table(("what",), (("a",),), ""),
            *BLOCKS[2:],
        ]
    )
    assert '<td style="text-align:left">a&lt;b</td>' in shown
    assert '<td style="text-align:right"><strong>OK</strong></td>' in shown
    assert '<th style="text-align:right">n</th>' in shown
    assert "c &amp; d</caption>" in shown
    assert "<br>z</p>" in shown
    assert "\x00" not in shown
    assert '<td style="text-align:left">a</td>' in shown
    assert "75.0%" in shown
    assert "a/report.html" in shown


def test_a_page_says_a_marks_own_word_beside_its_icon() -> None:
    html = render(report_of(Text((Mark("inferior", Status.STOP), " then ", Mark("1 < 2")))))
    assert re.search(r'<span class="badge stop"><svg.*?</svg>inferior</span>', html)
    assert "<strong>1 &lt; 2</strong>" in html


def test_bold_words_with_blanks_are_bold_in_markdown() -> None:
    found = read(render_blocks((Text((Mark("ab   "), "control")), Text((Mark(" "),)))))
    assert "strong" in found.tags
    assert "*" not in found.text


def test_a_key_figure_without_interval_or_status_has_empty_cells() -> None:
    report = replace(report_of(), summary=(KeyFigure("n", 3, None, COUNT),))
    assert "| n | **3** |  |  |" in render_markdown(report)
