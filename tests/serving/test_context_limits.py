"""Numbers of a request end where their columns do, and the last one is still taken."""

import pytest

from cpz.features.declarations import FEATURES
from cpz.serving.scoring.context_rules import ContextRules, RequestError

RULES = ContextRules(FEATURES, ())


@pytest.mark.parametrize("name", sorted(RULES._limits))
def test_a_whole_number_fits_its_column(name: str) -> None:
    smallest, largest = RULES._limits[name]
    assert smallest < 0 < largest
    for last in (smallest, largest):
        assert RULES.session({name: last}) == {name: last}
    for beyond in (smallest - 1, largest + 1):
        with pytest.raises(RequestError):
            RULES.session({name: beyond})


def test_some_column_is_narrow() -> None:
    assert RULES._limits


def test_a_time_leaves_room_for_differences() -> None:
    for last in (2**62, -(2**62)):
        assert RULES.shopper({"signed_up_at_us": last}) == {"signed_up_at": last}
    for beyond in (2**62 + 1, -(2**62) - 1):
        with pytest.raises(RequestError):
            RULES.shopper({"signed_up_at_us": beyond})
