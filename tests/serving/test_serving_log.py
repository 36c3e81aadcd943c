"""The decision log, and the dataset made of it."""

import asyncio
import os
import shutil
import stat
import threading
import time
from collections.abc import Coroutine
from pathlib import Path

import msgspec
import polars as pl
import pytest

from cpz.data.check import check_dataset
from cpz.data.dataset import Dataset, open_dataset
from cpz.data.errors import DataError, NotEnoughDataError, NotFoundError, UsageError
from cpz.data.workspace import Workspace
from cpz.evaluation.model_study import StudyConfig, evaluate_model
from cpz.features.assemble import decision_batch
from cpz.models.trained import TrainedModel
from cpz.serving.http.exchange import Exchange
from cpz.serving.http.service import Service
from cpz.serving.load.visits import event_items, visit_requests
from cpz.serving.log import decision_log
from cpz.serving.log.decision_log import DecisionLog, open_log, read_log
from cpz.serving.log.log_dataset import MAX_CATEGORIES, publish
from cpz.serving.log.log_sync import LogSync
from cpz.serving.messages import (
    Decided,
    EventItem,
    EventLine,
    Events,
    Feedback,
    FeedbackItem,
    FeedbackLine,
    Recommend,
    Recommendation,
)
from cpz.serving.scoring.context_rules import RequestError
from cpz.serving.scoring.served_model import ServedModel

FIXTURES = Path(__file__).parent.parent / "fixtures" / "serving"
T_US = 1_700_500_000_000_000
LINE = FeedbackLine(FeedbackItem(1, converted=True), 5)


def served_log(service: Service, workspace: Workspace, dataset: Dataset, name: str) -> int:
    """Serve the first visits of a dataset, with events and outcomes; return how many."""
    service.log = open_log(workspace, name)
    requests = visit_requests(dataset, 600)
    converted = dict(dataset.frame("sessions").select("session_id", "converted").iter_rows())
    outcomes = [FeedbackItem(r.session_id, converted=converted[r.session_id]) for r in requests]

    async def run() -> None:
        items = list(event_items(dataset))
        for begin in range(0, len(items), 1000):
            await service.observe(msgspec.json.encode(Events(items[begin : begin + 1000])))
        for request in requests:
            await service.recommend(msgspec.json.encode(request), Exchange())
        await service.feedback(msgspec.json.encode(Feedback(outcomes[:500])))
        await service.feedback(msgspec.json.encode(Feedback(outcomes[500:])))

    asyncio.run(run())
    service.log.close()
    return len(requests)


def test_a_log_becomes_a_dataset_that_evaluates(
    service: Service,
    served: ServedModel,
    trained: TrainedModel,
    workspace: Workspace,
    dataset: Dataset,
) -> None:
    n = served_log(service, workspace, dataset, "whole")
    made, result = publish(workspace, "whole", "served", (served,))
    assert result.n_without_feedback == 0
    assert result.n_context_only == 0
    assert result.rows["decisions"] >= n
    assert not [f for f in check_dataset(made).findings if f.status == "red"]
    batch = decision_batch(made, "payment", trained.features)
    offline = decision_batch(dataset, "payment", trained.features)
    place = {session: row for row, session in enumerate(offline.ids["session_id"].to_list())}
    rows = [place[session] for session in batch.ids["session_id"].to_list()]
    columns = offline.context.columns
    expected = offline.context[rows].select(columns).to_dicts()
    assert batch.context.select(columns).to_dicts() == expected
    assert batch.reward.tolist() == offline.reward[rows].tolist()
    study = evaluate_model(made, trained, StudyConfig("payment", "greedy"))
    found = study.placements["payment"].off_policy
    assert found.policy_value["ipw"].n == len(batch)
    assert str(found.audit.status) != "red"


def test_a_log_without_events_still_evaluates(
    service: Service, served: ServedModel, workspace: Workspace, trained: TrainedModel
) -> None:
    service.log = open_log(workspace, "bare")
    for number in range(200):
        body = {"request_id": f"a{number}", "shopper_id": f"s{number % 50}", "session_id": number}
        body |= {"context": {"country": "NL", "n_items": 2}}
        asyncio.run(service.recommend(msgspec.json.encode(body), Exchange()))
    bought = [FeedbackItem(number, converted=True) for number in range(0, 200, 3)]
    asyncio.run(service.feedback(msgspec.json.encode(Feedback(bought))))
    service.log.close()
    made, result = publish(workspace, "bare", "bare", (served,))
    assert result.n_without_feedback == 2 * (200 - len(bought))
    batch = decision_batch(made, "payment", trained.features)
    assert batch.ids["shopper_id"][0] == "s0"
    assert set(batch.context["sessions_28d"].to_list()) == {0}
    # what no request brought was scored as missing, and is missing
    assert batch.context["device"].null_count() == batch.context["tenure_days"].null_count() == 200
    assert not [f for f in check_dataset(made).findings if f.status == "red"]
    study = evaluate_model(made, trained, StudyConfig("payment", "greedy"))
    assert study.placements["payment"].off_policy.policy_value["ipw"].n == 200
    publish(workspace, "bare", "bare", (served,))  # the same log may be published again


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], (None, None, 0.0)),
        # a click is told of one decision, the order that follows it of the session
        ([{"decision": True, "clicked": True}, {"converted": True}], (True, True, 1.0)),
        ([{"converted": True}, {"decision": True, "clicked": True}], (True, True, 1.0)),
        ([{"converted": True, "reward": 9.5}, {"clicked": False}], (False, True, 9.5)),
        ([{"converted": True, "reward": 9.5}, {"converted": False}], (None, False, 0.0)),
        ([{"converted": True}, {"reward": 4.0}], (None, True, 4.0)),
        ([{"decision": True, "converted": False}, {"converted": True}], (None, True, 1.0)),
    ],
)
def test_later_feedback_replaces_what_it_tells(
    service: Service,
    served: ServedModel,
    workspace: Workspace,
    told: list[dict[str, object]],
    expected: tuple[bool | None, bool | None, float],
    tmp_path: Path,
) -> None:
    service.log = open_log(workspace, tmp_path.name)
    body = {"request_id": "a", "shopper_id": 5, "session_id": 50}
    body |= {"placements": [{"placement": "payment"}]}
    reply = asyncio.run(service.recommend(msgspec.json.encode(body), Exchange()))
    (decided,) = msgspec.json.decode(reply)["placements"]
    for item in told:
        about = {"decision_id": decided["decision_id"]} if item.get("decision") else {}
        sent = {"session_id": 50} | about | {k: v for k, v in item.items() if k != "decision"}
        asyncio.run(service.feedback(msgspec.json.encode({"feedback": [sent]})))
    service.log.close()
    made, _ = publish(workspace, tmp_path.name, tmp_path.name, (served,))
    (row,) = made.frame("decisions").select("clicked", "converted", "reward").rows()
    assert row == expected


def decide(service: Service, name: str, session: int, exchange: Exchange) -> Decided:
    body: dict[str, object] = {"request_id": name, "shopper_id": 5, "session_id": session}
    body |= {"placements": [{"placement": "payment"}]}
    reply = asyncio.run(service.recommend(msgspec.json.encode(body), exchange))
    return msgspec.json.decode(reply, type=Recommendation).placements[0]


def tell(service: Service, *items: dict[str, object]) -> None:
    asyncio.run(service.feedback(msgspec.json.encode({"feedback": list(items)})))


def test_what_nobody_saw_is_not_published(
    service: Service, served: ServedModel, workspace: Workspace
) -> None:
    service.log = open_log(workspace, "seen")
    gone = Exchange(is_gone=lambda: True)
    here = Exchange
    names = ("seen", "gone", "again", "told", "replaced", "gone-twice", "seen-and-gone")
    found = {}
    for number, name in enumerate(names):
        is_here = name in ("seen", "replaced", "seen-and-gone")
        found[name] = decide(service, name, number, here() if is_here else gone)
    decide(service, "again", 2, here())
    gone.is_repeated = False
    decide(service, "gone-twice", 5, gone)
    gone.is_repeated = False
    decide(service, "seen-and-gone", 6, gone)
    others = [option.option for option in found["replaced"].options]
    other = next(option for option in others if option != found["replaced"].action)
    for name, option in (("told", found["told"].action), ("replaced", other)):
        number = names.index(name)
        item = {"session_id": number, "decision_id": found[name].decision_id}
        tell(service, item | {"shown": option}, {"session_id": number, "converted": True})
    tell(service, {"session_id": 99, "clicked": True}, {"session_id": 0, "decision_id": 8})
    service.log.close()
    made, result = publish(workspace, "seen", "seen", (served,))
    kept = ("seen", "again", "told", "seen-and-gone")
    assert made.frame("decisions")["decision_id"].to_list() == [found[n].decision_id for n in kept]
    assert (result.n_not_received, result.n_replaced) == (2, 1)
    assert result.n_unknown_feedback == 2
    assert len(made.frame("sessions")) == len(names)
    assert [note for note in made.manifest.recipe.notes if "left out" in note] == [
        "2 decisions were received by nobody: left out",
        "1 decisions were replaced by another option: left out",
    ]


def test_a_log_of_which_nobody_saw_anything(
    service: Service, served: ServedModel, workspace: Workspace
) -> None:
    service.log = open_log(workspace, "unseen")
    decide(service, "a", 1, Exchange(is_gone=lambda: True))
    service.log.close()
    with pytest.raises(NotEnoughDataError, match="none of its 1 decisions was shown"):
        publish(workspace, "unseen", "unseen", (served,))


def test_what_was_shown_is_told_of_a_decision(service: Service) -> None:
    with pytest.raises(RequestError, match="decision_id"):
        tell(service, {"session_id": 1, "shown": "card"})


def test_more_devices_than_categories_can_hold_make_no_log_unreadable(
    service: Service, served: ServedModel, workspace: Workspace
) -> None:
    service.log = open_log(workspace, "agents")
    body = {"request_id": "a", "shopper_id": 5, "session_id": 0}
    body |= {"context": {"device": "mobile"}, "placements": [{"placement": "payment"}]}
    answer = service.decider.decide(msgspec.convert(body, Recommend), None, T_US)
    (line,) = answer.lines
    devices = ["mobile", *(f"agent {number}" for number in range(MAX_CATEGORIES + 10))]
    service.log.append(
        msgspec.structs.replace(
            line, decision_id=number, session_id=number, context={"device": device}
        )
        for number, device in enumerate([*devices, "mobile"])
    )
    service.log.close()
    made, _ = publish(workspace, "agents", "agents", (served,))
    kept = made.frame("sessions")["device"].cast(pl.String)
    assert kept.drop_nulls().n_unique() == MAX_CATEGORIES
    assert kept[0] == kept[-1] == "mobile"
    assert "sessions.device" in made.manifest.recipe.notes[1]


def test_ids_of_both_types_in_an_older_log_are_one(
    served: ServedModel, workspace: Workspace, trained: TrainedModel
) -> None:
    folder = workspace.ensure(workspace.root / "serving" / "mixed")
    shutil.copy(FIXTURES / "mixed-ids.jsonl", folder / "log-000001.jsonl")
    made, result = publish(workspace, "mixed", "mixed", (served,))
    assert result.rows == {"shoppers": 1, "sessions": 1, "decisions": 6}
    assert decision_batch(made, "payment", trained.features).ids["shopper_id"].to_list() == [5, 5]


def test_what_readers_would_refuse_is_not_published(
    service: Service, served: ServedModel, workspace: Workspace
) -> None:
    service.log = log = open_log(workspace, "unsound")
    body = {"request_id": "a", "shopper_id": 5, "session_id": 0}
    (line, *_) = service.decider.decide(msgspec.convert(body, Recommend), None, T_US).lines
    log.append([line])
    log.write()
    before, _ = publish(workspace, "unsound", "unsound", (served,))
    log.append([msgspec.structs.replace(line, decision_id=1, action="cheque")])
    log.close()
    with pytest.raises(DataError, match=r"cheque|action"):
        publish(workspace, "unsound", "unsound", (served,))
    assert open_dataset(workspace, "unsound").manifest.digest == before.manifest.digest
    assert not list(before.path.glob(".staging-*"))


def test_publishing_never_replaces_other_data(
    service: Service, served: ServedModel, workspace: Workspace, dataset: Dataset
) -> None:
    served_log(service, workspace, dataset, "other")
    with pytest.raises(UsageError, match="was not made of log"):
        publish(workspace, "other", dataset.name, (served,))
    assert open_dataset(workspace, dataset.name).manifest.digest == dataset.manifest.digest


def test_a_missing_and_an_empty_log(workspace: Workspace, served: ServedModel) -> None:
    with pytest.raises(NotFoundError, match="no decision log"):
        publish(workspace, "nowhere", "x", (served,))
    log = open_log(workspace, "silent")
    log.append([LINE])
    log.close()
    with pytest.raises(NotEnoughDataError):
        publish(workspace, "silent", "x", (served,))


def test_a_line_cut_short_is_left_out_and_counted(workspace: Workspace) -> None:
    log = open_log(workspace, "cut")
    log.append([LINE, LINE])
    log.close()
    (path,) = (workspace.root / "serving" / "cut").glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-10])
    log = open_log(workspace, "cut")  # a new run begins a new file
    log.append([LINE])
    log.close()
    content = read_log(workspace, "cut")
    assert (len(content.lines), content.n_cut) == (2, 1)


def test_a_broken_whole_line_is_named(workspace: Workspace) -> None:
    log = open_log(workspace, "broken")
    log.append([LINE])
    log.close()
    (path,) = (workspace.root / "serving" / "broken").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"kind": "decision"}\n')
    with pytest.raises(DataError, match="line 2"):
        read_log(workspace, "broken")


def test_files_rotate_by_size(tmp_path: Path) -> None:
    size = len(msgspec.json.encode(LINE)) + 1
    log = DecisionLog(tmp_path, max_file_bytes=2 * size)
    for _ in range(5):
        log.append([LINE])
        log.write()
    log.close()
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("log-*.jsonl"))]
    assert sizes == [2 * size, 2 * size, size]
    assert log.n_lines == 5


def test_a_full_disk_keeps_the_lines_waiting(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    log = DecisionLog(folder)
    log.append([LINE, LINE])
    log.write()
    assert (log.n_lines, log.n_failed) == (0, 2)
    folder.mkdir()
    log.close()
    assert (log.n_lines, log.n_failed) == (2, 0)


def test_one_write_call_takes_a_chunk_and_close_takes_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(msgspec.json.encode(LINE)) + 1
    monkeypatch.setattr(decision_log, "_CHUNK_BYTES", size + 5)
    log = DecisionLog(tmp_path)
    log.append([LINE] * 10)
    log.write()
    assert log.n_lines == 1
    log.close()
    assert log.n_lines == 10
    (path,) = tmp_path.glob("log-*.jsonl")
    assert path.stat().st_size == 10 * size


def test_what_a_full_disk_makes_wait_is_bounded_and_counted(tmp_path: Path) -> None:
    size = len(msgspec.json.encode(LINE)) + 1
    log = DecisionLog(tmp_path / "gone", max_waiting_bytes=3 * size)
    log.append([LINE] * 8)
    log.write()
    assert (log.n_failed, log.n_dropped) == (3, 5)


def test_a_file_deleted_under_the_server_is_begun_again(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    for _ in range(2):
        log.append([LINE])
        log.write()
        (path,) = tmp_path.glob("log-*.jsonl")
        path.unlink()
    log.append([LINE])
    log.close()
    (path,) = tmp_path.glob("log-*.jsonl")
    assert path.read_bytes() == msgspec.json.encode(LINE) + b"\n"


class FullDisk:
    """`os.write` on a disk that has room for so many bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        n_written = self._write(descriptor, bytes(data[: self.room]))
        self.room -= n_written
        return n_written


@pytest.mark.parametrize("what", ["nothing", "deleted", "emptied"])
def test_a_line_that_a_full_disk_has_cut_is_whole_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    lines = [FeedbackLine(FeedbackItem(n, converted=True), 5) for n in range(4)]
    whole = [msgspec.json.encode(line) + b"\n" for line in lines]
    disk = FullDisk(monkeypatch, room=len(whole[0]) + 7)
    log = DecisionLog(tmp_path)
    log.append(lines[:2])
    log.write()
    log.append(lines[2:])
    log.write()
    assert (log.n_lines, log.n_failed) == (1, 3)
    (path,) = tmp_path.glob("log-*.jsonl")
    assert path.read_bytes() == whole[0] + whole[1][:7]
    if what == "deleted":
        path.unlink()
    elif what == "emptied":
        os.truncate(path, 0)
    disk.room = 10_000
    log.close()
    assert (log.n_lines, log.n_failed) == (4, 0)
    found = sorted(tmp_path.glob("log-*.jsonl"))[-1].read_bytes()
    assert found == b"".join(whole if what == "nothing" else whole[1:])


class Syncs:
    """`os.fsync` that counts, and waits while `goes_on` is not set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            assert self.goes_on.wait(10)
            self.n += 1


@pytest.mark.parametrize(("sync", "n_before_the_end"), [("interval", 2), ("off", 0)])
def test_lines_are_brought_to_the_disk_every_second_or_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: LogSync, n_before_the_end: int
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    syncs = Syncs(monkeypatch)
    log = DecisionLog(tmp_path, sync)
    found = []
    for second in (0.0, 0.9, 1.1, 1.9, 2.2, 3.4):
        now[0] = 100.0 + second
        if second < 3:  # nothing new after that
            log.append([LINE])
        log.write()
        log._disk.submit(int).result()  # what was in the queue is done
        found.append(syncs.n)
    assert found[-1] == n_before_the_end
    assert found == sorted([0, 0, 1, 1, 2, 2] if sync == "interval" else [0] * 6)
    log.close()
    assert syncs.n == n_before_the_end + 1


def test_who_waits_for_the_disk_goes_on_after_it_and_shares_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Syncs(monkeypatch)
    log = DecisionLog(tmp_path, "always")

    async def run() -> list[bool]:
        syncs.goes_on.clear()
        log.append([LINE])
        first = asyncio.create_task(log.committed())
        await asyncio.sleep(0.01)
        log.append([LINE, LINE])
        later = [asyncio.create_task(log.committed()) for _ in range(20)]
        await asyncio.sleep(0.01)
        is_early = [task.done() for task in (first, *later)]
        later.pop().cancel()  # a client that leaves takes nobody along
        syncs.goes_on.set()
        await asyncio.gather(first, *later)
        return is_early

    assert not any(asyncio.run(run()))
    assert (syncs.n, log.n_lines) == (2, 3)
    log.close()


@pytest.mark.parametrize("call", ["recommend", "observe", "feedback"])
def test_no_answer_comes_before_its_line_is_on_disk(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str
) -> None:
    syncs = Syncs(monkeypatch)
    service.log = DecisionLog(tmp_path, "always")
    item = {"event_id": 1, "session_id": 5, "shopper_id": 5, "type": "purchased"}
    bodies: dict[str, dict[str, object]] = {
        "recommend": {"request_id": "a", "shopper_id": 5, "session_id": 5},
        "observe": {"events": [item | {"occurred_at_us": T_US}]},
        "feedback": {"feedback": [{"session_id": 5, "clicked": True}]},
    }
    body = msgspec.json.encode(bodies[call])

    def asked() -> Coroutine[None, None, bytes]:
        if call == "recommend":
            return service.recommend(body, Exchange())
        return service.observe(body) if call == "observe" else service.feedback(body)

    async def run() -> None:
        syncs.goes_on.clear()
        tasks = [asyncio.create_task(asked()) for _ in range(2)]  # the second is a repeat
        await asyncio.sleep(0.02)
        assert not any(task.done() for task in tasks)
        syncs.goes_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert syncs.n >= 1
    service.log.close()


def test_nobody_else_may_read_the_log(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path)
    log.append([LINE])
    log.close()
    (path,) = tmp_path.glob("log-*.jsonl")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_servers_share_a_folder(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = open_log(workspace, "shared"), open_log(workspace, "shared")
    # both look for the next number before either takes it
    glob = Path.glob
    first.append([LINE])
    second.append([LINE, LINE])
    first.write()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "glob", lambda self, pattern: iter(()))
        second.write()
        assert second.n_failed == 2
    assert Path.glob is glob
    second.write()
    first.append([LINE])
    first.close()
    second.close()
    assert len(read_log(workspace, "shared").lines) == 4
    assert len(list((workspace.root / "serving" / "shared").iterdir())) == 2


def test_what_is_later_counts_in_whatever_file_it_stands(
    service: Service, served: ServedModel, workspace: Workspace
) -> None:
    def decide(request: str, n_items: int, t_us: int) -> None:
        body = {"request_id": request, "shopper_id": 5, "session_id": 50, "decided_at_us": t_us}
        body |= {"context": {"n_items": n_items}, "placements": [{"placement": "payment"}]}
        asyncio.run(service.recommend(msgspec.json.encode(body), Exchange()))

    def event(received_us: int) -> EventLine:
        return EventLine(EventItem(1, 50, 5, T_US - 9, "session_started"), received_us)

    # two servers: the second one's file stands behind, and holds what came first
    service.log = first = open_log(workspace, "order")
    decide("late", 2, T_US + 60)
    first.append([FeedbackLine(FeedbackItem(50, converted=False), T_US + 300), event(T_US - 1)])
    first.write()
    service.log = second = open_log(workspace, "order")
    decide("early", 1, T_US)
    second.append([FeedbackLine(FeedbackItem(50, converted=True), T_US + 200), event(T_US + 500)])
    first.close()
    second.close()
    made, _ = publish(workspace, "order", "order", (served,))
    assert made.frame("decisions")["converted"].to_list() == [False, False]
    assert made.frame("sessions")["n_items"].to_list() == [2]
    assert made.frame("events")["received_at"].dt.epoch("us").to_list() == [T_US - 1]


def test_a_disk_that_cannot_flush_ends_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(file: int) -> None:
        raise OSError(5, "Input/output error")

    log = DecisionLog(tmp_path)
    log.append([LINE])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        log.close()
    assert "could not be flushed" in caplog.text
    assert log.n_lines == 1
