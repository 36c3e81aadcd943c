"""What a policy earns: the rewards that a dataset's decisions can be trained and judged on."""

from cpz.data.errors import UsageError, nearest

CONVERSION = "conversion"
#: By name; the first is the default.
REWARDS = (CONVERSION,)


def require_reward(reward: str | None) -> str:
    """Return the reward's name, or raise `UsageError` that names those supported.

    >>> require_reward(None)
    'conversion'
    """
    name = CONVERSION if reward is None else reward
    if name not in REWARDS:
        raise UsageError(
            f"reward {name!r} is not supported: datasets are trained and judged on the `reward` "
            f"column of their decisions, {' or '.join(REWARDS)}",
            hint=nearest(name, REWARDS),
        )
    return name
