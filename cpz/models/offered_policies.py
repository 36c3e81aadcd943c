"""The policies that every trained placement offers by name, each listed once."""

from collections.abc import Callable
from dataclasses import dataclass

from cpz.data.policy import Policy, PopularityPolicy, UniformPolicy
from cpz.models.baselines import LastUsedPolicy, last_used_column
from cpz.models.outcome import OutcomeModel
from cpz.models.policies import EpsilonGreedyPolicy, GreedyPolicy


@dataclass(frozen=True, slots=True)
class PolicyParts:
    """What training leaves for a policy to be made of.

    Attributes:
        outcome: the placement's outcome model.
        popularity: its popularity baseline.
        epsilon: the exploration asked for, in [0, 1].
    """

    outcome: OutcomeModel
    popularity: PopularityPolicy
    epsilon: float

    @property
    def placement(self) -> str:
        """Return the placement's name."""
        return self.outcome.inputs.placement

    @property
    def last_used(self) -> str:
        """Return the column that names the placement's last choice."""
        return last_used_column(self.placement)

    @property
    def tells_last_used(self) -> bool:
        """Return whether the log told what was used last."""
        return self.last_used in self.outcome.inputs.encoder.columns


@dataclass(frozen=True, slots=True)
class OfferedPolicy:
    """One policy.

    Attributes:
        name: what `--policy` calls it and logs hold; that of the policy which `make` returns.
        make: makes it.
        is_exploring: whether it leaves any visit a choice at random.
        fits: whether it can be made of these parts.
    """

    name: str
    make: Callable[[PolicyParts], Policy]
    is_exploring: bool
    fits: Callable[[PolicyParts], bool] = lambda _: True


POLICIES: tuple[OfferedPolicy, ...] = (
    OfferedPolicy("greedy", lambda p: GreedyPolicy(p.outcome), is_exploring=False),
    OfferedPolicy(
        "epsilon_greedy", lambda p: EpsilonGreedyPolicy(p.outcome, p.epsilon), is_exploring=True
    ),
    OfferedPolicy("popularity", lambda p: p.popularity, is_exploring=False),
    OfferedPolicy(
        "last_used",
        lambda p: LastUsedPolicy(p.last_used, p.popularity),
        is_exploring=False,
        fits=lambda p: p.tells_last_used,
    ),
    OfferedPolicy("uniform", lambda p: UniformPolicy(p.placement), is_exploring=True),
)
