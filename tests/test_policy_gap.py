"""How much of the gap to the best context-only policy training closes, and the ruler itself."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cpz.features.encoding import Encoder

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "policy_gap.py"


@pytest.fixture(scope="module")
def ruler() -> Any:
    spec = importlib.util.spec_from_file_location("policy_gap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["policy_gap"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_training_closes_half_of_the_gap_on_baseline_conversion(ruler: Any) -> None:
    """At payment and offer, 100,000 baseline sessions of seed 11, 25,000 of them held out.

    Measured with 200,000 sessions for the oracle: payment 0.690 (95 % interval 0.671 to 0.710),
    offer 0.993 (0.992 to 0.994). Half the oracle's sessions moved its values by 0.006 points at
    most, so a quarter is enough here. Shipping stays below one half: its whole gap is 0.4 points.
    """
    found = {
        gap.placement: gap
        for gap in ruler.gaps("baseline", ruler.Sizes(100_000, 50_000), check=False)
    }
    for placement in ("payment", "offer"):
        assert found[placement].closed.low > 0.5, placement
    for gap in found.values():
        value = gap.values
        assert value["popularity"] < value["greedy"] < value["best_context"] < value["best_latent"]


def test_a_share_by_hand(ruler: Any) -> None:
    """Two shoppers of two visits each: gained 3 of 4, psi = (g - 3/4 t) / 1.

    psi sums to 2 - 1.5 = 0.5 and 1 - 1.5 = -0.5 over the shoppers, so the standard error is
    sqrt((0.25 + 0.25) * 2 / 1) / 4 = 0.25.
    """
    shopper = np.array([7, 7, 9, 9])
    found = ruler.share_closed(np.array([1.0, 1.0, 1.0, 0.0]), np.ones(4), shopper)
    assert found.estimate == 0.75
    assert found.high - found.estimate == pytest.approx(1.959963984540054 * 0.25, rel=1e-12)
    assert found.estimate - found.low == pytest.approx(found.high - found.estimate, rel=1e-12)


def test_no_share_of_a_gap_that_noise_explains(ruler: Any) -> None:
    gap = np.array([1.0, -1.0, 1.0, -0.9])
    assert np.isnan(ruler.share_closed(gap, gap, np.arange(4)).estimate)


def test_the_oracle_finds_the_best_option_behind_what_all_options_share(ruler: Any) -> None:
    """Option 0 wins by 0.01 where x = 1 and loses by as much elsewhere; rows differ by 0.3."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, 2, 4_000).astype(np.float64)
    shared = rng.uniform(0.1, 0.7, len(x))
    expected = np.column_stack([shared + 0.01 * x, shared + 0.005, np.full(len(x), np.nan)])
    context = ruler.Context(Encoder(("x",), ()), (), ("a", "b", "c"))
    late = np.ones(len(x), dtype=bool)
    lesson = ruler.Lesson(context, x[:, None], expected, late, False)
    asked = np.array([[0.0], [1.0]])
    scores = lesson.scores(asked, lesson.rows("all"), ruler.OracleConfig())
    assert scores.argmax(axis=1).tolist() == [1, 0]
    assert np.isneginf(scores[:, 2]).all()
    assert 0.4 < len(lesson.rows("half")) / len(x) < 0.6
    # whatever it prefers, only an eligible option counts
    eligible = np.array([[True, False, False], [False, True, False]])
    truth = np.array([[0.2, 0.9, 0.9], [0.9, 0.3, 0.9]])
    assert ruler.greedy_value(scores, eligible, truth).tolist() == [0.2, 0.3]
