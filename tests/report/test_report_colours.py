"""WCAG 2.2 contrast, computed from the style sheet's own variables in both modes."""

import re
from importlib.resources import files

import pytest

MODES = ("light", "dark")
TEXT_AA = 4.5
GRAPHIC_AA = 3.0


def style() -> str:
    return files("cpz.report.html").joinpath("style.css").read_text(encoding="utf-8")


def variables(mode: str) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", style(), flags=re.DOTALL)
    assert len(blocks) == 2
    found = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]
    return found[MODES.index(mode)]


def luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part, 16) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(colour[i : i + 2]) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_formula_by_hand() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    # Grey 119: ((119 / 255 + .055) / 1.055) ** 2.4 = .1845; 1.05 / .2345 = 4.478, just below AA.
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", ["ink", "muted", "link"])
@pytest.mark.parametrize("ground", ["page", "surface", "sunken"])
def test_text_is_readable_on_every_ground(mode: str, text: str, ground: str) -> None:
    colours = variables(mode)
    assert contrast(colours[text], colours[ground]) >= TEXT_AA


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", ["ok", "caution", "stop", "info"])
def test_badges_are_readable(mode: str, status: str) -> None:
    colours = variables(mode)
    assert contrast(colours[status], colours[f"{status}-back"]) >= TEXT_AA


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "mark", ["series-1", "series-2", "series-3", "interval", "truth", "mark", "muted"]
)
def test_marks_stand_out_from_the_surface(mode: str, mark: str) -> None:
    colours = variables(mode)
    assert contrast(colours[mark], colours["surface"]) >= GRAPHIC_AA


@pytest.mark.parametrize("mode", MODES)
def test_heat_steps_run_one_way_from_the_surface(mode: str) -> None:
    colours = variables(mode)
    ratios = [contrast(colours[f"heat-{step}"], colours["surface"]) for step in range(7)]
    assert ratios == sorted(ratios)
    assert ratios[-1] / ratios[0] >= TEXT_AA


def test_both_modes_define_the_same_variables_and_all_that_are_used() -> None:
    light, dark = variables("light"), variables("dark")
    assert light.keys() == dark.keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", style())) == light.keys()
