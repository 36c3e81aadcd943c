"""Requests to decisions: a function of the request, the shopper's state and the seed.

Draws are keyed by (seed, placement, request id): the same request draws the same action on every
server, and the logged propensity is exactly the probability of that draw.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from typing import cast

from cpz.data import keyed
from cpz.data.errors import nearest
from cpz.features.online import Cell
from cpz.features.shopper_state import Id, ShopperState, Value
from cpz.serving.messages import (
    Decided,
    DecisionLine,
    Place,
    RankedOption,
    Recommend,
    Recommendation,
)
from cpz.serving.scoring.context_rules import RequestError
from cpz.serving.scoring.placement import Ranking, ServedPlacement
from cpz.serving.scoring.served_model import Routing, ServedModel, shared_plan

_ACTION = "serving_action"

_CacheKey = tuple[str, str, tuple[str, ...], tuple[float, ...], tuple[tuple[float, ...], ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A reply, and the lines that the decision log takes."""

    reply: Recommendation
    lines: tuple[DecisionLine, ...]


@dataclass(slots=True)
class ResultCache:
    """Rankings by model version and encoded inputs, the most recent `size` of them.

    Only policies without exploration use it. The key is all that a ranking depends on.
    """

    size: int
    n_hits: int = 0
    _found: OrderedDict[_CacheKey, Ranking] = field(default_factory=OrderedDict)

    def get(self, key: _CacheKey) -> Ranking | None:
        """Return a ranking and count the hit."""
        found = self._found.get(key)
        if found is not None:
            self.n_hits += 1
            self._found.move_to_end(key)
        return found

    def put(self, key: _CacheKey, ranking: Ranking) -> None:
        """Keep a ranking; the least recently used one makes room."""
        self._found[key] = ranking
        if len(self._found) > self.size:
            self._found.popitem(last=False)


class Decider:
    """Answers requests with the models of a routing.

    Args:
        routing: champion and canary.
        seed: the seed of exploration.
        cache_size: rankings kept for policies that do not explore; 0 keeps none.
    """

    def __init__(self, routing: Routing, seed: int, cache_size: int = 0) -> None:
        self.routing = routing
        self.seed = seed
        self.cache = ResultCache(cache_size) if cache_size else None
        self.plan = shared_plan(routing.models)
        self.stranger = ShopperState(self.plan)

    def model_for(self, request: Recommend) -> ServedModel:
        """Return who answers a request."""
        return self.routing.model_for(key_of(request.shopper_id))

    def decide(
        self,
        request: Recommend,
        state: ShopperState | None,
        now_us: int,
        model: ServedModel | None = None,
    ) -> Answer:
        """Decide every placement of a request.

        Args:
            request: as received.
            state: the shopper's events; None where the store was out of reach.
            now_us: the decisions' time where the request names none.
            model: from `model_for`, where that is known already.

        Raises:
            RequestError: unknown names, values of a wrong type, or nothing eligible.
        """
        model = model or self.model_for(request)
        t_us = now_us if request.decided_at_us is None else request.decided_at_us
        cells = self._cells(model, request, state, t_us)
        places = request.placements or [Place(name) for name in model.placements]
        if len({place.placement for place in places}) != len(places):
            raise RequestError("placements: the same one twice; expected each at most once")
        rankings = [self._rank(model, place, cells) for place in places]
        decided = self._draw(request.request_id, places, rankings)
        if state is None:
            decided = [_with_reason(item, "store_unavailable") for item in decided]
        reply = Recommendation(
            request_id=request.request_id,
            model=model.name,
            version=model.version,
            variant=model.variant,
            policy=model.policy,
            context_only=state is None,
            placements=decided,
        )
        features = {name: cast("Value", cells[name]) for name in model.event_names}
        return Answer(reply, tuple(_lines(request, reply, t_us, features)))

    def _cells(
        self, model: ServedModel, request: Recommend, state: ShopperState | None, t_us: int
    ) -> dict[str, Cell]:
        session = model.rules.session(request.context)
        shopper = model.rules.shopper(request.shopper)
        cells = {**model.rules.nothing, **session}
        cells.update(model.facts.cells(t_us, session, shopper))
        known = self.stranger if state is None else state
        cells.update(zip(self.plan.names, known.values(t_us), strict=True))
        return cells

    def _rank(self, model: ServedModel, place: Place, cells: dict[str, Cell]) -> Ranking:
        served = model.placements.get(place.placement)
        if served is None:
            raise RequestError(
                f"placements: the model has no placement {place.placement!r}",
                hint=nearest(place.placement, model.placements),
            )
        return self._ranking(model, served, served.eligible(place.eligible), cells)

    def _draw(
        self, request_id: str, places: Sequence[Place], rankings: Sequence[Ranking]
    ) -> list[Decided]:
        request = key_of(request_id)
        u = [
            keyed.uniform_one(self.seed, _ACTION, request, _placement_key(place.placement))
            for place in places
        ]
        return [
            _decided(place.placement, ranking, at, self._decision_id(request_id, place.placement))
            for place, ranking, at in zip(places, rankings, u, strict=True)
        ]

    def _decision_id(self, request_id: str, placement: str) -> int:
        """Return the same positive int64 for the same decision on every server."""
        identity = f"{self.seed}/{request_id}/{placement}".encode()
        return int.from_bytes(blake2b(identity, digest_size=8).digest(), "little") >> 1

    def _ranking(
        self,
        model: ServedModel,
        served: ServedPlacement,
        options: tuple[str, ...],
        cells: dict[str, Cell],
    ) -> Ranking:
        encoded = served.encode(cells, options)
        if self.cache is None or served.is_exploring:
            return served.rank(cells, options, encoded)
        # missing values are all the one object math.nan, so equal rows make equal keys
        shared, own = tuple(encoded[0]), tuple(encoded[1])
        key = (f"{model.name}/{model.version}", served.inputs.placement, options, shared, own)
        found = self.cache.get(key)
        if found is None:
            found = served.rank(cells, options, encoded)
            self.cache.put(key, found)
        return found


def key_of(identity: Id) -> int:
    """Return an id as an int64 for keyed draws: a number as it stands, a text by its hash."""
    if isinstance(identity, int):
        return identity
    digest = blake2b(identity.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


@lru_cache(maxsize=256)
def _placement_key(name: str) -> int:
    return key_of(name)


def draw(propensities: Sequence[float], u: float) -> int:
    """Return which option a uniform in (0, 1) picks; never one of probability 0.

    >>> [draw((0.25, 0.0, 0.75), u) for u in (0.2, 0.25, 0.9)]
    [0, 2, 2]
    """
    total = 0.0
    last = 0
    for place, (share, total) in enumerate(
        zip(propensities, accumulate(propensities), strict=True)
    ):
        if share > 0.0:
            last = place
            if u < total:
                return place
    return last


def _decided(placement: str, ranking: Ranking, u: float, decision_id: int) -> Decided:
    chosen = draw(ranking.propensities, u)
    best = max(range(len(ranking.scores)), key=ranking.scores.__getitem__)
    order = sorted(range(len(ranking.options)), key=ranking.scores.__getitem__, reverse=True)
    if len(ranking.options) == 1:
        reason = "only_option"
    elif chosen == best:
        reason = "highest_score"
    else:
        reason = "explored" if ranking.propensities[chosen] < 1.0 else "policy_rule"
    return Decided(
        placement=placement,
        decision_id=decision_id,
        action=ranking.options[chosen],
        propensity=ranking.propensities[chosen],
        options=[
            RankedOption(ranking.options[i], ranking.scores[i], ranking.propensities[i])
            for i in order
        ],
        reasons=[reason],
    )


def _with_reason(item: Decided, reason: str) -> Decided:
    item.reasons.append(reason)
    return item


def _lines(
    request: Recommend, reply: Recommendation, t_us: int, features: dict[str, Value]
) -> list[DecisionLine]:
    return [
        DecisionLine(
            decision_id=item.decision_id,
            session_id=request.session_id,
            shopper_id=request.shopper_id,
            decided_at_us=t_us,
            placement=item.placement,
            eligible=[option.option for option in item.options],
            action=item.action,
            propensity=item.propensity,
            policy=reply.policy,
            model=reply.model,
            version=reply.version,
            variant=reply.variant,
            request_id=request.request_id,
            context_only=reply.context_only,
            context=request.context,
            shopper=request.shopper,
            features=features,
        )
        for item in reply.placements
    ]
