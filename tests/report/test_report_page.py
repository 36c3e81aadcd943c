"""The page as a whole. Run as a script, it writes the specimen: `python FILE OUT.html`."""

import math
import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from cpz.report.chart_values import (
    BarChart,
    BarSeries,
    CalibrationBin,
    CalibrationChart,
    FunnelChart,
    FunnelStep,
    HeatMap,
    Histogram,
    Interval,
    IntervalChart,
    IntervalRow,
    Line,
    LineChart,
    Reference,
)
from cpz.report.format import COUNT, MILLISECONDS, PERCENT, POINTS, money
from cpz.report.html.render import MAX_BYTES, inline_code, render
from cpz.report.values import (
    KeyFigure,
    Mark,
    Note,
    Report,
    Section,
    Status,
    Table,
    Text,
    label_and_numbers,
)

VOID = {"meta", "link", "br", "hr", "img", "input"}
ATTACK = "</title><script>alert('x')</script>\"'&"


def marked(status: Status) -> Mark:
    return Mark(status.word, status)


def value_chart() -> IntervalChart:
    return IntervalChart(
        "Conversion under the trained policy",
        "All estimators that can be computed agree; doubly robust covers the true value.",
        PERCENT,
        (
            IntervalRow("Logging policy", 0.3012, Interval(0.2981, 0.3043), 0.3009),
            IntervalRow("IPW", 0.3301, Interval(0.3142, 0.346), 0.3268),
            IntervalRow("SNIPW", 0.3287, Interval(0.3161, 0.3413), 0.3268),
            IntervalRow("DM", 0.3249, None, 0.3268, "no interval: bias is unknown"),
            IntervalRow("DR (cross-fitted)", 0.3274, Interval(0.3178, 0.337), 0.3268),
            IntervalRow("Replay", None, None, None, "no row matches"),
        ),
        Reference(0.3012, "logging policy"),
    )


def money_chart() -> IntervalChart:
    return IntervalChart(
        "Margin per session, by country",
        "The gain is carried by the two largest markets; the others are within noise.",
        money("EUR", is_signed=True),
        (
            IntervalRow("Germany", 41.2, Interval(22.0, 60.4)),
            IntervalRow("The Netherlands, including Belgium", 35.0, Interval(9.0, 61.0)),
            IntervalRow("Japan", -6.0, Interval(-31.5, 19.5)),
        ),
        Reference(0.0, "no change"),
    )


def funnel_chart() -> FunnelChart:
    counts = (100_000, 71_240, 58_911, 47_307, 30_118)
    labels = ("Review", "Address", "Shipping", "Payment", "Purchased")
    steps = tuple(FunnelStep(s, n, n / 100_000) for s, n in zip(labels, counts, strict=True))
    return FunnelChart("Checkout funnel", "Most shoppers leave at review and payment.", steps)


def bar_chart() -> BarChart:
    return BarChart(
        "Which payment option stands first",
        "The trained policy shows wallets to more and invoice to fewer shoppers than the log.",
        ("Wallet", "Card", "Invoice", "Bank transfer (iDEAL, Sofort)", "Buy now, pay later"),
        (
            BarSeries("logging policy", (0.31, 0.27, 0.21, 0.12, 0.09)),
            BarSeries("trained policy", (0.44, 0.24, 0.11, 0.21, None)),
        ),
    )


def calibration_chart() -> CalibrationChart:
    bins = tuple(
        CalibrationBin(p, p + d, Interval(p + d - 0.018, p + d + 0.018), 2000 - 150 * i)
        for i, (p, d) in enumerate(
            zip(
                (0.08, 0.14, 0.19, 0.23, 0.27, 0.31, 0.36, 0.42, 0.5, 0.63),
                (0.004, -0.01, 0.006, 0.012, -0.004, 0.001, -0.014, 0.009, 0.02, -0.021),
                strict=True,
            )
        )
    )
    return CalibrationChart(
        "Calibration on held-out sessions", "Every decile covers the diagonal but one.", bins
    )


def line_chart() -> LineChart:
    days = tuple(f"{day} Nov" for day in range(1, 22))
    base = tuple(0.30 + 0.012 * math.sin(day / 2) for day in range(21))
    learned = tuple(None if day == 9 else v + 0.025 for day, v in enumerate(base))
    band = tuple(None if v is None else Interval(v - 0.009, v + 0.009) for v in learned)
    return LineChart(
        "Conversion by day",
        "The gain holds on every day; there are no sessions for the trained policy on 10 Nov.",
        "day",
        days,
        (Line("trained policy", learned, band), Line("logging policy", base)),
        PERCENT,
        Reference(0.3012, "mean of the log"),
    )


def heat_map() -> HeatMap:
    values = tuple(
        tuple(
            None
            if (day, hour) == (6, 3)
            else round(900 * (1.1 + math.sin((hour - 8) / 24 * 2 * math.pi)) * (1 - 0.06 * day))
            for hour in range(24)
        )
        for day in range(7)
    )
    return HeatMap("Sessions by weekday and hour", "Traffic peaks in the early afternoon.", values)


def histogram() -> Histogram:
    edges = tuple(10 ** (-2 + i / 4) for i in range(17))
    counts = (3, 10, 42, 130, 390, 880, 1630, 2540, 2210, 1490, 700, 310, 96, 31, 8, 2)
    return Histogram(
        "Importance weights",
        "Two of 14,572 weights exceed 56; clipping at 20 would touch 20 rows.",
        "weight (log scale)",
        edges,
        counts,
        n_zero=4100,
        thresholds=(Reference(1.0, "expected mean"), Reference(20.0, "clip")),
    )


def numbers_table() -> Table:
    return Table(
        ("Check", "Verdict", "Found", "Limit"),
        (
            ("Mean weight", marked(Status.OK), "1.003", "0.98 to 1.02"),
            ("Largest weight's share", marked(Status.CAUTION), "3.1%", "1%"),
            ("Rows below the propensity floor", marked(Status.STOP), "12", "0"),
            ("Duplicated decisions", marked(Status.INFO), "n/a", "0"),
        ),
        "Audit of the log",
        ("left", "left", "right", "right"),
    )


def specimen() -> Report:
    wide = Table(
        ("Policy", *(f"metric {i}" for i in range(12))),
        tuple((name, *("0.1234",) * 12) for name in ("greedy", "epsilon-greedy")),
        "A table wider than a phone",
        label_and_numbers(12),
    )
    return Report(
        "Trained payment policy against the log",
        "dataset `demo`, 100,000 simulated sessions, placement `payment`, 23 November 2026",
        (
            KeyFigure(
                "Conversion, trained policy",
                0.3274,
                Interval(0.3178, 0.337),
                PERCENT,
                "doubly robust, cross-fitted in 5 folds, clustered by shopper",
                Status.OK,
            ),
            KeyFigure("Uplift on the log", 0.0262, Interval(0.017, 0.0354), POINTS, "paired"),
            KeyFigure("Margin per session", 123456.0, None, money("EUR"), "", Status.CAUTION),
            KeyFigure("Effective sample size", 18_211.4, None, COUNT, "of 100,000 decisions"),
            KeyFigure("Scoring, p99", 4.21, None, MILLISECONDS),
            KeyFigure("Replay", None, None, PERCENT, "no row matches", Status.STOP),
        ),
        (
            Note(Status.OK, "The mean weight is 1.003: the logged propensities fit the log."),
            Note(Status.CAUTION, "Twelve rows carry 3.1% of all weight; see the histogram."),
            Note(Status.STOP, "Do not read the offer placement: 40% of its actions lack support."),
            Note(Status.INFO, "Shoppers are simulated. `--with-truth` added the exact values."),
        ),
        (
            Section(
                "value",
                "What the policy is worth",
                "Each row estimates the mean reward had the policy made every decision.",
                (value_chart(), money_chart(), Text("Intervals are `delta`-method, two-sided.")),
            ),
            Section("audit", "Audit", "", (numbers_table(), histogram(), wide)),
            Section("model", "Predictive quality", "", (calibration_chart(), line_chart())),
            Section(
                "world",
                "The sessions",
                "What the policy met.",
                (
                    funnel_chart(),
                    bar_chart(),
                    heat_map(),
                    Note(Status.INFO, "Hours are local to the shopper."),
                ),
            ),
        ),
        "cpz evaluate --dataset demo --model payment/1 --seed 7 --with-truth --out report.html",
        '[evaluate]\ndataset = "demo"\nestimators = ["ipw", "snipw", "dm", "dr"]\nclip = 20.0\n',
        ("propensity: 12 of 100,000 rows are below 0.001 (first: row 318)",),
        ("Run `cpz simulate --scenario drift` and evaluate again.", "Compare placements."),
        (("cpz", "0.1.0"), ("lightgbm", "4.7.0"), ("numpy", "2.4.0")),
    )


class Page(HTMLParser):
    """Collects what the tests ask about, and fails on tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"twice the same attribute: {tag}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"closes nothing: {tag}"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.tags if "id" in attrs]


@pytest.fixture(scope="module")
def html() -> str:
    return render(specimen())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_same_report_gives_the_same_bytes(html: str) -> None:
    assert render(specimen()).encode() == html.encode()


def test_page_stays_far_below_the_limit(html: str) -> None:
    assert len(html.encode()) < MAX_BYTES / 2


def test_a_page_over_the_limit_is_refused() -> None:
    rows = tuple((f"row {i}", "x" * 90) for i in range(5000))
    section = Section("rows", "Rows", "", (Table(("a", "b"), rows, "raw rows"),))
    with pytest.raises(ValueError, match="at most 400000"):
        render(replace(specimen(), sections=(section,)))


def test_nothing_is_fetched_and_nothing_runs(html: str, page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "use", "image"}
    names = {name for _, attrs in page.tags for name in attrs}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "style"}
    assert all((a["href"] or "").startswith("#") for a in page.all("a"))
    namespace = 'xmlns="http://www.w3.org/2000/svg"'
    assert "://" not in html.replace(namespace, "")
    assert "url(" not in html
    assert "@import" not in html
    policy = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_ids_are_unique_and_every_reference_resolves(page: Page) -> None:
    assert [i for i, n in Counter(page.ids).items() if n > 1] == []
    named = {a["href"] or "" for a in page.all("a")}
    assert {ref.removeprefix("#") for ref in named} <= set(page.ids)
    for _, attrs in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            if name in attrs:
                assert attrs[name] in page.ids


def test_every_chart_is_named_and_described(page: Page) -> None:
    charts = [a for a in page.all("svg") if "aria-hidden" not in a]
    assert len(charts) == 2 * len(page.all("figure")) == 16
    for attrs in charts:
        assert attrs["role"] == "img"
        assert attrs["aria-labelledby"]
        assert attrs["aria-describedby"]


def test_every_chart_has_its_data_in_a_table(page: Page) -> None:
    assert len(page.all("details")) == len(page.all("figure")) + 1
    assert len(page.all("table")) == len(page.all("figure")) + 2
    assert len(page.all("caption")) == len(page.all("table"))
    for box in (a for a in page.all("div") if a.get("class") == "scroll"):
        assert box["tabindex"] == "0"
        assert box["role"] == "region"


def test_page_has_language_title_landmarks_and_ordered_headings(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("main")) == len(page.all("h1")) == len(page.all("header")) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_a_word_and_an_icon_beside_its_colour(status: Status) -> None:
    report = replace(specimen(), sections=(), summary=(), trust=(Note(status, "why"),))
    html = render(report)
    badge = re.search(rf'<span class="badge {status.value}">(.*?)</span>', html)
    assert badge is not None
    assert 'aria-hidden="true"' in badge[1]
    assert badge[1].endswith(status.word)


def test_status_icons_differ_in_shape() -> None:
    table = Table(("", "verdict"), tuple((s.word, marked(s)) for s in Status), "all")
    section = Section("all", "All", "", (table,))
    html = render(replace(specimen(), sections=(section,), summary=()))
    shapes = re.findall(r'<span class="badge \w+">(<svg.*?</svg>)', html.split("<tbody>")[1])
    assert len(set(shapes)) == len(shapes) == len(Status)


def test_page_carries_command_configuration_trust_and_versions(page: Page) -> None:
    text = "".join(page.text)
    report = specimen()
    assert report.command in text
    assert report.config_toml in text
    for part in (report.trust[0].text, report.warnings[0], "Compare placements.", "4.7.0"):
        assert part in text


def test_key_figures_take_their_digits_from_the_interval(page: Page) -> None:
    text = "".join(page.text)
    assert "32.74%" in text
    assert "95% interval: 31.78% to 33.70%" in text
    assert "+2.62\u202fpp" in text
    assert "18\u202f211" in text


def poisoned() -> Report:
    """Return a report whose every free text is an attack."""
    base = specimen()
    row = IntervalRow(ATTACK, 1.0, Interval(0.5, 1.5), reason=ATTACK)
    reference = Reference(1.0, ATTACK)
    blocks = (
        IntervalChart(ATTACK, ATTACK, PERCENT, (row, replace(row, estimate=None)), reference),
        FunnelChart(ATTACK, ATTACK, (FunnelStep(ATTACK, 1, 1.0),)),
        BarChart(ATTACK, ATTACK, (ATTACK,), (BarSeries(ATTACK, (1.0,)),) * 2),
        LineChart(ATTACK, ATTACK, ATTACK, (ATTACK,), (Line(ATTACK, (1.0,)),), PERCENT, reference),
        HeatMap(ATTACK, ATTACK, ((1.0,),), COUNT, (ATTACK,), (ATTACK,)),
        Histogram(ATTACK, ATTACK, ATTACK, (1.0, 2.0), (1,), thresholds=(reference,)),
        Table((ATTACK, ATTACK), ((ATTACK, Mark(ATTACK, Status.OK)),), ATTACK, note=ATTACK),
        Note(Status.OK, ATTACK),
        Text((f"`{ATTACK}`", Mark(ATTACK), Mark(ATTACK, Status.STOP))),
    )
    return replace(
        base,
        title=ATTACK,
        subtitle=ATTACK,
        summary=(KeyFigure(ATTACK, 1.0, None, money(ATTACK), ATTACK, None),),
        trust=(Note(Status.INFO, ATTACK),),
        sections=(Section("s", ATTACK, ATTACK, blocks),),
        command=ATTACK,
        config_toml=ATTACK,
        warnings=(ATTACK,),
        next_steps=(ATTACK,),
        versions=((ATTACK, ATTACK),),
    )


def test_no_text_becomes_markup() -> None:
    html = render(poisoned())
    page = Page(html)
    assert page.all("script") == []
    assert "<script" not in html
    assert "".join(page.text).count(ATTACK) > 20


def test_control_characters_and_lone_surrogates_do_not_reach_the_page() -> None:
    html = render(replace(specimen(), title="a\x00b\ud800c", subtitle="d\x1be"))
    assert "a\ufffdb\ufffdc" in html
    assert "d\ufffde" in html
    html.encode()


def test_backticks_become_code_and_an_odd_one_stays() -> None:
    assert inline_code("run `a<b` now") == "run <code>a&lt;b</code> now"
    assert inline_code("`a` and ` alone") == "<code>a</code> and ` alone"
    assert inline_code("`") == "`"


def test_an_empty_report_still_says_how_far_to_trust_and_how_to_repeat_it() -> None:
    bare = Report("t", "s", (), (Note(Status.INFO, "n"),), (), "cpz evaluate", "")
    page = Page(render(bare))
    assert {"cpz-trust", "cpz-reproduce"} <= set(page.ids)


def test_a_report_lacks_nothing_it_must_carry() -> None:
    twins = (Section("a", "", "", ()), Section("a", "", "", ()))
    with pytest.raises(ValueError, match="trust is empty"):
        replace(specimen(), trust=())
    with pytest.raises(ValueError, match="command is empty"):
        replace(specimen(), command="")
    with pytest.raises(ValueError, match="distinct"):
        replace(specimen(), sections=twins)


@pytest.mark.parametrize("ident", ["", "Value", "1st", "a b", 'x"y', "cpz-main"])
def test_a_section_id_is_a_plain_anchor(ident: str) -> None:
    with pytest.raises(ValueError, match="section id"):
        Section(ident, "t", "", ())


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"row 1: expected 2 cells, got 1"):
        Table(("a", "b"), (("1", "2"), ("3",)), "ragged")
    with pytest.raises(ValueError, match="alignments"):
        Table(("a", "b"), (), "ragged", ("left",))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(specimen()), encoding="utf-8")
