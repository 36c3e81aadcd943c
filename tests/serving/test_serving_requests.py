"""One request at a time, in process: what is answered, repeated, refused and logged."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cpz.data.workspace import Workspace
from cpz.features.shopper_state import EventPlan
from cpz.models.trained import TrainedModel
from cpz.serving.http.endpoint import Admission, Endpoint
from cpz.serving.http.exchange import Exchange
from cpz.serving.http.limits import ApiKeys, Limits
from cpz.serving.http.service import Service
from cpz.serving.log.decision_log import DecisionLog
from cpz.serving.messages import Recommend
from cpz.serving.metrics import Metrics
from cpz.serving.scoring.context_rules import RequestError
from cpz.serving.scoring.decider import Decider, draw, key_of
from cpz.serving.scoring.served_model import Routing, find_reference, ready
from cpz.serving.stores.store import MemoryStore, Recall, ShopperEvent, StoreUnavailableError

Ask = Callable[[object], Any]

T_US = 1_700_500_000_000_000
BASE: dict[str, Any] = {
    "request_id": "r1",
    "shopper_id": 5,
    "session_id": 50,
    "context": {"device": "mobile", "country": "NL", "cart_value_minor": 5000},
    "placements": [{"placement": "payment"}],
    "decided_at_us": T_US,
}


def refused(ask: Ask, **changes: object) -> RequestError:
    with pytest.raises(RequestError) as caught:
        ask(BASE | changes)
    return caught.value


def test_options_are_ranked_and_propensities_sum_to_1(ask: Ask) -> None:
    (decided,) = ask(BASE)["placements"]
    scores = [option["score"] for option in decided["options"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(option["propensity"] for option in decided["options"]) == pytest.approx(1.0)
    assert decided["action"] in {option["option"] for option in decided["options"]}


def test_every_placement_is_decided_where_none_is_named(ask: Ask) -> None:
    reply = ask({key: value for key, value in BASE.items() if key != "placements"})
    assert [item["placement"] for item in reply["placements"]] == ["payment", "shipping"]


def test_only_eligible_options_are_considered(ask: Ask) -> None:
    places = [{"placement": "payment", "eligible": ["invoice"]}]
    (decided,) = ask(BASE | {"placements": places})["placements"]
    assert (decided["action"], decided["propensity"]) == ("invoice", 1.0)
    assert decided["reasons"] == ["only_option"]


def test_the_same_request_gets_the_same_bytes_and_one_line(service: Service) -> None:
    body = msgspec.json.encode(BASE)
    first = asyncio.run(service.recommend(body, Exchange()))
    late = {"events": [event(occurred_at_us=T_US - 10, received_at_us=T_US - 5)]}
    asyncio.run(service.observe(msgspec.json.encode(late)))
    assert asyncio.run(service.recommend(body, Exchange())) == first
    service.log.close()
    assert service.log.n_lines == 2  # one decision, one event
    assert service.metrics.value("requests_repeated") == 1


def test_an_id_used_for_another_request_is_a_conflict(ask: Ask) -> None:
    ask(BASE)
    assert refused(ask, shopper_id=6).status == 409


def test_draws_follow_the_propensities(ask: Ask) -> None:
    n = 2000
    found = [ask(BASE | {"request_id": f"d{i}"})["placements"][0] for i in range(n)]
    shares = {option["option"]: option["propensity"] for option in found[0]["options"]}
    assert len({item["decision_id"] for item in found}) == n
    for option, share in shares.items():
        drawn = sum(item["action"] == option for item in found)
        # 4.5 standard deviations of a binomial; four options are looked at: beyond in < 3e-5
        assert abs(drawn - n * share) < 4.5 * np.sqrt(n * share * (1 - share)) + 1


def test_two_servers_draw_the_same_action(served: Any) -> None:
    deciders = [Decider(Routing(served), seed=3) for _ in range(2)]
    request = msgspec.convert(BASE, Recommend)
    first, second = (d.decide(request, d.stranger, 0).reply for d in deciders)
    assert first == second


def test_draw_never_gives_an_option_of_probability_0() -> None:
    shares = (0.0, 0.3, 0.0, 0.7, 0.0)
    assert {draw(shares, u) for u in (1e-17, 0.29, 0.3, 0.5, 1 - 1e-16)} == {1, 3}
    assert draw((0.1,) * 9 + (0.0999999,), 1 - 1e-16) == 9  # rounding leaves a gap at the end


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"context": {"devce": "mobile"}}, "device"),
        ({"context": {"cart_value_minor": "much"}}, "whole number"),
        ({"context": {"cart_value_minor": 12.5}}, "whole number"),
        # what the log's columns cannot hold would make the whole log unreadable later
        ({"context": {"n_items": 2**31}}, "2147483647"),
        ({"shopper": {"signed_up_at_us": -(2**63)}}, "signed_up_at_us"),
        ({"context": {"is_digital": 1}}, "truth value"),
        ({"context": {"converted": True}}, "outcome"),
        ({"shopper": {"gender": "f"}}, "sensitive"),
        ({"shopper": {"stored_methods": "card"}}, "texts"),
        ({"shopper": {"signed_up_at": 3}}, "signed_up_at_us"),
        ({"placements": [{"placement": "paymnt"}]}, "payment"),
        ({"placements": [{"placement": "payment", "eligible": []}]}, "at least one"),
        ({"placements": [{"placement": "payment", "eligible": ["crad"]}]}, "card"),
        ({"placements": [{"placement": "payment"}] * 2}, "twice"),
        ({"placements": []}, "placements"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": None}, "request_id"),
        ({"shopper_id": 2**63}, "shopper_id"),
        ({"decided_at_us": 5}, "decided_at_us"),
        ({"extra": 1}, "extra"),
        ({"sesion_id": 1}, "'session_id'"),
        ({"placements": [{"placement": "payment", "eligable": ["card"]}]}, "'eligible'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    ask: Ask, changes: dict[str, object], names: str
) -> None:
    error = refused(ask, **changes)
    assert error.status == 422
    assert names in f"{error.message} {error.hint}"


NOT_JSON = (b"", b"{", b'{"request_id": NaN}', b'{"context": {"x": Infinity}}', b"\xff\xfe")


@pytest.mark.parametrize("body", [*NOT_JSON, b"[1]" * 3, b"[" * 5000, b'{"a": 1e999}'])
def test_what_is_not_json_is_refused(service: Service, body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        asyncio.run(service.recommend(body, Exchange()))
    # a body that opens with the wrong thing is refused for that, before the rest is read
    assert caught.value.status == 400 if body in NOT_JSON else caught.value.status in (400, 422)


def test_a_request_whose_deadline_has_passed_is_not_scored(service: Service) -> None:
    with pytest.raises(RequestError) as caught:
        asyncio.run(service.recommend(msgspec.json.encode(BASE), Exchange(deadline_s=0.0)))
    assert caught.value.status == 504
    service.log.close()
    assert service.log.n_lines == 0


def event(**changes: object) -> dict[str, object]:
    item = {"event_id": 1, "session_id": 50, "shopper_id": 5, "type": "session_started"}
    return item | {"occurred_at_us": T_US - 1000} | changes


def observe(service: Service, *items: dict[str, object]) -> Any:
    body = msgspec.json.encode({"events": list(items)})
    return msgspec.json.decode(asyncio.run(service.observe(body)))


def test_events_sent_again_change_nothing(service: Service) -> None:
    assert observe(service, event(), event(event_id=2)) == {"accepted": 2, "repeated": 0}
    assert observe(service, event(), event(event_id="x")) == {"accepted": 1, "repeated": 1}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"type": "purchase"}, "purchased"),
        ({"step": "paymnt"}, "payment"),
        ({"type": None}, "type"),
    ],
)
def test_unknown_events_are_refused(
    service: Service, changes: dict[str, object], names: str
) -> None:
    with pytest.raises(RequestError) as caught:
        observe(service, event(**changes))
    assert names in f"{caught.value.message} {caught.value.hint}"


class Broken(MemoryStore):
    """A store that is out of reach."""

    async def recall(self, request_id: str, shopper_id: int | str) -> Recall:
        raise StoreUnavailableError("gone")

    async def observe(self, events: object) -> list[bool]:
        raise StoreUnavailableError("gone")


def test_without_the_store_the_context_alone_decides(service: Service) -> None:
    service.store = Broken(service.decider.plan)
    body = msgspec.json.encode(BASE)
    first = asyncio.run(service.recommend(body, Exchange()))
    reply = msgspec.json.decode(first)
    assert reply["context_only"] is True
    assert "store_unavailable" in reply["placements"][0]["reasons"]
    assert service.metrics.value("store_unavailable") == 1
    assert asyncio.run(service.recommend(body, Exchange())) == first
    with pytest.raises(RequestError) as caught:
        observe(service, event())
    assert caught.value.status == 503


class HalfWay(MemoryStore):
    """A store that takes events and, at first, does not live to say so."""

    is_ill = True

    async def observe(self, events: Sequence[ShopperEvent]) -> list[bool]:
        is_new = await super().observe(events)
        if self.is_ill:
            raise StoreUnavailableError("gone")
        return is_new


def test_an_event_that_the_store_took_without_saying_so_is_logged_once(service: Service) -> None:
    service.store = store = HalfWay(service.decider.plan)
    with pytest.raises(RequestError):
        observe(service, event(), event(event_id=2))
    store.is_ill = False
    # the client sends again, as it was told
    assert observe(service, event(), event(event_id=2)) == {"accepted": 2, "repeated": 0}
    assert observe(service, event(), event(event_id=3)) == {"accepted": 1, "repeated": 1}
    service.log.close()
    (path,) = service.log.folder.glob("*.jsonl")
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert [line["event"]["event_id"] for line in lines] == [1, 2, 3]
    # the log holds the time of receipt that the features go by
    state = asyncio.run(store.recall("none", 5)).state
    assert state is not None
    assert [line["received_at_us"] for line in lines] == [
        state.known[event_id].received_us for event_id in (1, 2, 3)
    ]


class Awaited(MemoryStore):
    """A store that answers when told to."""

    def __init__(self, plan: EventPlan) -> None:
        super().__init__(plan)
        self.gate = asyncio.Event()

    async def recall(self, request_id: str, shopper_id: int | str) -> Recall:
        await self.gate.wait()
        return await super().recall(request_id, shopper_id)


def test_a_reply_given_without_the_store_is_repeated_when_it_is_back(service: Service) -> None:
    memory, service.store = service.store, Broken(service.decider.plan)
    body = msgspec.json.encode(BASE)
    first = asyncio.run(service.recommend(body, Exchange()))
    service.store = memory
    assert asyncio.run(service.recommend(body, Exchange())) == first
    service.log.close()
    assert service.log.n_lines == 1


def test_twins_that_wait_for_the_store_together_are_one_decision(service: Service) -> None:
    async def run() -> list[bytes | BaseException]:
        service.store = store = Awaited(service.decider.plan)
        bodies = [msgspec.json.encode(BASE | changes) for changes in ({}, {}, {"shopper_id": 6})]
        tasks = [asyncio.create_task(service.recommend(b, Exchange())) for b in bodies]
        await asyncio.sleep(0)
        store.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, other = asyncio.run(run())
    assert first == second
    assert isinstance(other, RequestError)
    assert other.status == 409
    service.log.close()
    assert service.log.n_lines == 1


def test_ids_of_both_kinds_may_meet_at_one_time(service: Service) -> None:
    same = {"occurred_at_us": T_US - 9, "received_at_us": T_US - 8}
    ids = ("x", 7, "y", 3)
    taken = [observe(service, event(event_id=i, **same))["accepted"] for i in ids]
    assert taken == [1, 1, 1, 1]
    assert observe(service, *[event(event_id=i, **same) for i in ids])["repeated"] == 4
    state = asyncio.run(service.store.recall("none", 5)).state
    assert state is not None
    assert dict(zip(state.plan.names, state.values(T_US), strict=True))["sessions_28d"] == 4


def test_a_shopper_is_one_however_the_id_is_written(service: Service) -> None:
    seen = {"received_at_us": T_US - 5}
    items = [event(shopper_id=i, event_id=e, **seen) for i, e in ((5, 1), ("5", 2))]
    taken = [observe(service, item) for item in items]
    assert [answer["accepted"] for answer in taken] == [1, 1]
    assert observe(service, event(event_id="1", **seen))["repeated"] == 1
    bodies = [
        msgspec.json.encode(BASE | {"request_id": f"q{i!r}", "shopper_id": i, "session_id": s})
        for i, s in ((5, 50), ("5", "50"))
    ]
    for body in bodies:
        asyncio.run(service.recommend(body, Exchange()))
    service.log.close()
    (path,) = service.log.folder.glob("*.jsonl")
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()][2:]
    assert {(line["shopper_id"], line["session_id"]) for line in lines} == {(5, 50)}
    assert [line["features"]["sessions_28d"] for line in lines] == [2, 2]


@pytest.mark.parametrize("raw", [b'"\\ud800"', b'"\xed\xa0\x80"', b"1e999", b"9223372036854775808"])
def test_values_that_no_column_holds_are_refused(service: Service, raw: bytes) -> None:
    body = msgspec.json.encode(BASE).replace(b'"mobile"', raw)
    with pytest.raises(RequestError):
        asyncio.run(service.recommend(body, Exchange()))


def test_any_text_that_json_can_hold_is_taken_and_logged(service: Service, ask: Ask) -> None:
    odd = '\u0000 \u202e \U0001f6d2 " \\ \n'
    ask(BASE | {"context": {"device": odd}})
    service.log.close()
    (path,) = service.log.folder.glob("*.jsonl")
    assert msgspec.json.decode(path.read_bytes())["context"] == {"device": odd}


def test_a_failure_of_ours_is_a_500_that_is_counted_and_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(body: bytes, exchange: Exchange) -> bytes:
        raise ZeroDivisionError

    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message)

    gate = Admission(Limits(), ApiKeys(), service.metrics)
    endpoint = Endpoint("/v1/recommend", gate, broken)
    asyncio.run(endpoint({"headers": [], "client": None, "type": "http"}, receive, send))
    assert sent[0]["status"] == 500
    assert msgspec.json.decode(sent[1]["body"])["error"]["code"] == "internal"
    assert "ZeroDivisionError" in caplog.text
    assert requests_in(service.metrics.text(), "500") == 1
    assert gate.n_in_flight == 0


def requests_in(text: bytes, status: str) -> float:
    """Return how many answers of a status the metrics of a server tell."""
    lines = [line for line in text.decode().splitlines() if f'status="{status}"' in line]
    return sum(float(line.split()[1]) for line in lines if line.startswith("cpz_requests_total{"))


def test_metrics_tell_a_canary_of_another_model_from_the_champion(
    trained: TrainedModel, tmp_path: Path
) -> None:
    champion = ready(trained, "default", "v1", "greedy")
    canary = ready(trained, "other", "v1", "greedy", "canary")
    decider = Decider(Routing(champion, canary, 0.5, 9), 0)
    metrics = Metrics()
    service = Service(decider, Broken(decider.plan), DecisionLog(tmp_path), metrics)
    sent: list[Any] = []
    bodies = [
        msgspec.json.encode(BASE | {"request_id": f"m{n}", "shopper_id": n}) for n in range(40)
    ]
    bad = [BASE | {"request_id": f"b{n}", "shopper_id": n} for n in range(40)]
    bodies += [msgspec.json.encode(each | {"context": {"x": 1}}) for each in bad] + [b"{"]

    async def run() -> None:
        endpoint = Endpoint(
            "/v1/recommend", Admission(Limits(), ApiKeys(), metrics), service.recommend
        )

        async def send(message: Any) -> None:
            sent.append(message)

        for body in bodies:

            async def receive(body: bytes = body) -> dict[str, Any]:
                return {"type": "http.request", "body": body}

            await endpoint({"headers": [], "client": None, "type": "http"}, receive, send)

    asyncio.run(run())
    asked = [decider.model_for(msgspec.convert(each, Recommend)) for each in bad]
    n_canary = sum(model is canary for model in asked)
    assert 0 < n_canary < 40
    lines = dict(line.rsplit(" ", 1) for line in metrics.text().decode().splitlines())
    for model, variant, n in (
        ("default", "champion", 40 - n_canary),
        ("other", "canary", n_canary),
    ):
        own = f'variant="{variant}",version="v1"'
        for key in (
            f'cpz_requests_total{{model="{model}",route="/v1/recommend",status="200",{own}}}',
            f'cpz_requests_total{{model="{model}",route="/v1/recommend",status="422",{own}}}',
            f'cpz_fallbacks_total{{model="{model}",{own}}}',
        ):
            assert float(lines[key]) == n
        key = f'cpz_request_seconds_count{{model="{model}",route="/v1/recommend",{own}}}'
        assert float(lines[key]) == 2 * n
        decisions = [
            float(count)
            for key, count in lines.items()
            if key.startswith(f'cpz_decisions_total{{model="{model}",') and f"{own}}}" in key
        ]
        assert sum(decisions) == n
    none = 'cpz_requests_total{model="",route="/v1/recommend",status="400",variant="",version=""}'
    assert float(lines[none]) == 1


def test_as_many_requests_are_answered_at_once_as_are_granted(service: Service) -> None:
    n_granted, n_asked = 2, 3
    sent: list[Any] = []

    async def run() -> None:
        go_on = asyncio.Event()

        async def wait(body: bytes, exchange: Exchange) -> bytes:
            await go_on.wait()
            return b"{}"

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}"}

        async def send(message: Any) -> None:
            sent.append(message)

        endpoint = Endpoint(
            "/r", Admission(Limits(in_flight=n_granted), ApiKeys(), Metrics()), wait
        )
        scope: dict[str, Any] = {"headers": [], "client": None, "type": "http"}
        tasks = [asyncio.create_task(endpoint(scope, receive, send)) for _ in range(n_asked)]
        await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert [m["status"] for m in sent if "status" in m] == [503, 200, 200]


def test_the_histogram_counts_as_prometheus_does() -> None:
    metrics = Metrics()
    for seconds in (0.0001, 0.001, 0.0011, 5.0):
        metrics.answered("/r", 200, seconds)
    lines = metrics.text().decode().replace('model="",', "").splitlines()
    lines = [line.replace(',variant="",version=""', "") for line in lines]
    # an answer that takes exactly a bucket's bound is within it
    assert 'cpz_request_seconds_bucket{le="0.001",route="/r"} 2.0' in lines
    assert 'cpz_request_seconds_bucket{le="0.002",route="/r"} 3.0' in lines
    assert 'cpz_request_seconds_bucket{le="+Inf",route="/r"} 4.0' in lines
    assert 'cpz_request_seconds_count{route="/r"} 4.0' in lines
    (total,) = [line for line in lines if line.startswith("cpz_request_seconds_sum")]
    assert float(total.split()[1]) == pytest.approx(5.0022)


def test_the_canary_is_sticky_and_takes_its_share(trained: TrainedModel) -> None:
    champion = ready(trained, "default", "v1", "greedy")
    canary = ready(trained, "default", "v2", "greedy", "canary")
    sides = [
        {s for s in range(4000) if Routing(champion, canary, share, 9).model_for(s) is canary}
        for share in (0.05, 0.25)
    ]
    assert sides[0] < sides[1]  # raising the weight moves nobody back
    # binomial, n = 4000, p = .05: sd 13.8; 4.5 sd is beyond chance (7e-6)
    assert abs(len(sides[0]) - 200) < 62


def test_greedy_uses_the_result_cache_and_exploration_does_not(
    trained: TrainedModel, tmp_path: Path
) -> None:
    for policy, hits in (("greedy", 1), ("epsilon_greedy", 0), ("uniform", 0)):
        decider = Decider(Routing(ready(trained, "default", "v1", policy)), 0, cache_size=8)
        service = Service(decider, MemoryStore(decider.plan), DecisionLog(tmp_path), Metrics())
        for number in range(2):
            body = msgspec.json.encode(BASE | {"request_id": f"{policy}{number}"})
            asyncio.run(service.recommend(body, Exchange()))
        assert decider.cache is not None
        assert decider.cache.n_hits == hits


def test_the_cache_keeps_the_most_recent(trained: TrainedModel) -> None:
    decider = Decider(Routing(ready(trained, "default", "v1", "greedy")), 0, cache_size=2)
    requests = [BASE | {"context": {"cart_value_minor": 100 * n}} for n in (1, 2, 3, 1)]
    kind = Recommend
    for request in requests:
        decider.decide(msgspec.convert(request, kind), decider.stranger, 0)
    assert decider.cache is not None
    assert decider.cache.n_hits == 0


def test_references(workspace: Workspace, trained: TrainedModel) -> None:
    found = [find_reference(workspace, text) for text in ("champion", "default", "a@v2", "v7")]
    assert [(ref.name, ref.version) for ref in found] == [
        ("default", "champion"),
        ("default", "champion"),
        ("a", "v2"),
        ("default", "v7"),
    ]


def test_text_ids_become_signed_64_bit_keys() -> None:
    assert key_of(-7) == -7
    assert -(2**63) <= key_of("shopper-a") < 2**63
    assert key_of("shopper-a") != key_of("shopper-b")
