"""A trained policy inside the simulation: it reads features from the events it has observed."""

from collections.abc import Mapping

import polars as pl

from cpz.data.arrays import Floats
from cpz.data.policy import Policy, Visits
from cpz.features.declarations import Feature
from cpz.features.history import microseconds
from cpz.features.online import Cell, OnlineFeatures
from cpz.models.trained import TrainedModel


class ClosedLoopPolicy:
    """A policy whose features are computed as a server would, event by event.

    A simulation pickles it and gives every part its own copy. A copy begins without events: parts
    hold different shoppers, and what one part saw must not depend on which was played first.

    Args:
        policy: what decides, given features.
        features: the declarations its model was trained on.
        profiles: shoppers by `shopper_id`, times in microseconds since the epoch.
    """

    def __init__(
        self, policy: Policy, features: tuple[Feature, ...], profiles: pl.DataFrame
    ) -> None:
        self.policy = policy
        self.features = features
        self.profiles = profiles
        self.online = OnlineFeatures(features)

    def __reduce__(self) -> tuple[type["ClosedLoopPolicy"], tuple[object, ...]]:
        """Pickle what it was made of."""
        return ClosedLoopPolicy, (self.policy, self.features, self.profiles)

    @property
    def name(self) -> str:
        """Return the policy's name."""
        return self.policy.name

    @property
    def placement(self) -> str:
        """Return the policy's placement."""
        return self.policy.placement

    def propensities(self, visits: Visits) -> Floats:
        """Return the policy's (n, K) probabilities on features read at each visit's start.

        Raises:
            MissingColumnError: the model reads a column that the visits do not have.
        """
        context = visits.context
        times = microseconds(context["started_at"]).tolist()
        shopper = context["shopper_id"].to_list()
        profiles = context.select("shopper_id").join(
            self.profiles, on="shopper_id", how="left", maintain_order="left"
        )
        rows: list[Mapping[str, Cell]] = [
            self.online.read(who, t, session, profile)
            for who, t, session, profile in zip(
                shopper, times, context.to_dicts(), profiles.to_dicts(), strict=True
            )
        ]
        features = pl.DataFrame(rows, infer_schema_length=None, strict=False)
        return self.policy.propensities(
            Visits(visits.placement, visits.options, visits.eligible, features)
        )

    def observe(self, events: pl.DataFrame) -> None:
        """Take note of events; reads see those received before their own moment."""
        self.online.observe(events)


def closed_loop(
    model: TrainedModel, placement: str, policy: str, shoppers: pl.DataFrame
) -> ClosedLoopPolicy:
    """Wrap one policy of a model for a closed-loop simulation.

    Args:
        model: a loaded model.
        placement: which of its placements.
        policy: which policy of that placement.
        shoppers: the `shoppers` table of the same world and seed.

    Raises:
        NotFoundError: the model has no such placement.
        UsageError: the placement has no such policy.
    """
    part = model.placement(placement)
    wanted = {feature.column for feature in model.features} | {"shopper_id"}
    profiles = shoppers.select(name for name in shoppers.columns if name in wanted)
    return ClosedLoopPolicy(
        part.policy(policy),
        model.features,
        profiles.with_columns(
            pl.selectors.datetime().dt.epoch("us"), pl.selectors.categorical().cast(pl.String)
        ),
    )
