"""Reports in a real browser: nothing logged, nothing loaded, nothing cut off, no barrier."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from cpz.cli.app import run

OBD = Path(__file__).parents[1] / "fixtures" / "obd"
EXAMPLES = Path(__file__).parents[2] / "examples"

Build = Callable[[Path], None]


def cpz(*words: str | Path) -> None:
    # 1 is a gate that failed; its page is as good as any
    assert run([str(word) for word in words]) in (0, 1)


def simulated(folder: Path) -> None:
    cpz("simulate", "--sessions", "3000", "--seed", "7", "--workspace", folder)


def evaluated(folder: Path) -> None:
    log = ("--log", OBD / "obd_men_random.parquet", "--map", EXAMPLES / "obd.toml")
    policy = (
        "--policy",
        OBD / "obd_men_random_pi_e.npy",
        "--q-hat",
        OBD / "obd_men_random_qhat.npz",
    )
    cpz("evaluate", *log, *policy, "--out", folder)


def analysed(folder: Path) -> None:
    simulated_experiment(folder / "rehearsal", folder)
    files = (folder / "rehearsal" / "units.parquet", "--metrics", folder / "rehearsal/metrics.toml")
    cpz("ab", "analyze", *files, "--out", folder / "analysis")
    (folder / "rehearsal" / "report.html").unlink()


def simulated_experiment(folder: Path, workspace: Path) -> None:
    arms = ("--control", "popularity", "--treatment", "uniform", "--sessions", "3000")
    cpz("ab", "simulate", *arms, "--out", folder, "--workspace", workspace)


def ramped(folder: Path) -> None:
    loss = ("--inject", "conversion=-10%", "--ramp", "5,25,50,100", "--sessions", "4000")
    cpz("canary", "simulate", "--canary", "popularity", *loss, "--workspace", folder)


@pytest.fixture(scope="module", params=[simulated, evaluated, analysed, ramped])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a command, once for all layouts, and return its page."""
    build: Build = request.param
    folder = tmp_path_factory.mktemp(build.__name__)
    build(folder)
    (page,) = folder.rglob("report.html")
    return page


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_quiet_whole_and_open_to_all(
    chromium: Browser, report: Path, scheme: Any, width: int
) -> None:
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    said, asked = listen(page)
    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")
    assert said == []
    assert asked == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    found = Axe().run(page)
    assert [(each["id"], len(each["nodes"])) for each in found.response["violations"]] == []
    context.close()


def listen(page: Page) -> tuple[list[str], list[str]]:
    """Return two lists that fill with what a page says and with what it asks for."""
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    return said, asked


BROKEN = """<!doctype html><title>x</title><img src="http://127.0.0.1:9/a.png">
<p style="width: 2000px">wide</p><script>undefined.x</script>"""


def test_a_page_with_faults_is_seen(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(BROKEN)
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    said, asked = listen(page)
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_load_state("networkidle")
    assert any("undefined" in words for words in said)
    assert "http://127.0.0.1:9/a.png" in asked
    assert page.evaluate("document.documentElement.scrollWidth") > 390
    violations = {each["id"] for each in Axe().run(page).response["violations"]}
    assert {"image-alt", "html-has-lang"} <= violations
    page.close()
