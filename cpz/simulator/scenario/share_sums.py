"""Shares that add up to something else than one: allowed, since each is taken relative to the sum.

It is worth a warning all the same: who raises one share by hand has lowered the others.
"""

from collections import defaultdict

from cpz.simulator.scenario.provenance import flat
from cpz.simulator.scenario.settings import Scenario

_ROUNDING = 1e-6


def share_sums(scenario: Scenario) -> dict[str, float]:
    """Return the groups of shares that do not sum to 1, and their sums.

    Markets may sum to less: a share of 0 is how a scenario takes one out of the world.

    >>> from cpz.simulator.scenario.loading import load_scenario
    >>> share_sums(load_scenario("baseline", ["population.age_share.25-34=0.5"]))
    {'population.age_share': 1.25}
    """
    sums: dict[str, float] = defaultdict(float)
    for key, value in flat(scenario).items():
        group = _group(key)
        if group and isinstance(value, float):
            sums[group] += value
    return {
        group: round(total, 6)
        for group, total in sums.items()
        if abs(total - 1) > _ROUNDING and not (group == "markets.*.share" and total < 1)
    }


def _group(key: str) -> str:
    """Return what a share is a share of, "" for another constant.

    >>> _group("markets.DE.share"), _group("markets.DE.payment_share.card"), _group("horizon.days")
    ('markets.*.share', 'markets.DE.payment_share', '')
    """
    parent, _, name = key.rpartition(".")
    if name == "share":
        return f"{parent.rpartition('.')[0]}.*.share"
    return parent if parent.endswith("_share") else ""
