"""Why an option was shown: by hand, for every kind of answer."""

import pytest

from cpz.serving.scoring.decider import _decided, draw
from cpz.serving.scoring.placement import Ranking


@pytest.mark.parametrize(
    ("scores", "propensities", "u", "action", "reason"),
    [
        ((0.2,), (1.0,), 0.5, "a", "only_option"),
        ((0.2, 0.7, 0.1), (0.0, 1.0, 0.0), 0.5, "b", "highest_score"),
        ((0.2, 0.7, 0.1), (0.1, 0.8, 0.1), 0.5, "b", "highest_score"),
        ((0.2, 0.7, 0.1), (0.1, 0.8, 0.1), 0.05, "a", "explored"),
        ((0.2, 0.7, 0.1), (0.1, 0.8, 0.1), 0.95, "c", "explored"),
        # a rule that shows one option, whatever its score
        ((0.2, 0.7, 0.1), (0.0, 0.0, 1.0), 0.5, "c", "policy_rule"),
    ],
)
def test_the_reason_of_a_choice(
    scores: tuple[float, ...],
    propensities: tuple[float, ...],
    u: float,
    action: str,
    reason: str,
) -> None:
    options = ("a", "b", "c")[: len(scores)]
    found = _decided("payment", Ranking(options, scores, propensities), u, 4)
    assert (found.action, found.reasons) == (action, [reason])
    assert found.propensity == propensities[options.index(action)]
    assert [option.score for option in found.options] == sorted(scores, reverse=True)
    assert found.decision_id == 4


@pytest.mark.parametrize(("u", "place"), [(0.0, 1), (0.2499, 1), (0.25, 2), (0.9999, 2), (1.0, 2)])
def test_a_draw_takes_the_first_sum_beyond_it(u: float, place: int) -> None:
    """Shares 0, 1/4, 3/4 and 0; what rounding leaves over goes to the last that has a share."""
    assert draw([0.0, 0.25, 0.75, 0.0], u) == place
