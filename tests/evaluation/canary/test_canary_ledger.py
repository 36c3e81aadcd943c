"""The ledger: append-only, chained, and enough to decide everything again."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from cpz.data.errors import DataError, NotFoundError, WorkspaceError
from cpz.data.ledger import GENESIS, Line, append_to_ledger, chain_hash, read_ledger
from cpz.evaluation.canary.guardrails import GUARDRAILS
from cpz.evaluation.canary.ledger import (
    Closed,
    Entry,
    Looked,
    Opened,
    entries_of,
    further_entries,
    missing_entries,
    parse_entries,
    replay,
)
from cpz.evaluation.canary.monitor import conclude, follow, monitor
from cpz.ingest.canaries.counts import Group, Hour, Sums


def group(n: int, conversions: int) -> Group:
    return Group(n, conversions, 1, Sums(10.0 * conversions, 100.0 * conversions), Sums(n, 2.0 * n))


def entries(canary_conversions: int = 290, n_hours: int = 4) -> tuple[Entry, ...]:
    hours = [
        Hour(i, 0.5, 2000, 1000, group(1000, 300), group(1000, canary_conversions))
        for i in range(n_hours)
    ]
    opened = Opened("0", "popularity", "epsilon", (0.5,), n_hours, 0.05, GUARDRAILS)
    return entries_of(opened, hours, monitor(hours))


def bodies(path: Path) -> list[dict[str, object]]:
    return [line.body for line in read_ledger(path)]


def test_a_ledger_is_decided_again_to_the_same_end(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    assert append_to_ledger(path, entries()) == 6
    (run,) = replay(parse_entries(bodies(path)))
    assert run.difference is None
    assert run.looks == 4
    assert run.verdict is not None
    assert run.verdict.decision == "hold"


def test_a_roll_back_ends_the_looks(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append_to_ledger(path, entries(canary_conversions=100))
    (run,) = replay(parse_entries(bodies(path)))
    assert run.difference is None
    assert run.verdict is not None
    assert (run.verdict.decision, run.looks) == ("rollback", 1)


def test_appending_keeps_what_is_there_and_repeats_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append_to_ledger(path, entries())
    first = path.read_bytes()
    assert append_to_ledger(path, entries()) == 0
    assert path.read_bytes() == first
    append_to_ledger(path, entries(canary_conversions=280))
    assert path.read_bytes().startswith(first)
    assert [run.difference for run in replay(parse_entries(bodies(path)))] == [None, None]


def test_chain_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append_to_ledger(path, [{"a": 1}, {"b": 2}])
    first, second = read_ledger(path)
    assert first.previous == GENESIS
    assert second.previous == first.hash == chain_hash(GENESIS, {"a": 1})
    assert len({first.hash, second.hash}) == 2


def test_any_changed_removed_or_swapped_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append_to_ledger(path, entries())
    lines = path.read_bytes().splitlines(keepends=True)
    changed = [*lines[:2], lines[2].replace(b'"conversions":290', b'"conversions":299'), *lines[3:]]
    removed = [*lines[:2], *lines[3:]]
    swapped = [*lines[:2], lines[3], lines[2], *lines[4:]]
    for broken in (changed, removed, swapped):
        path.write_bytes(b"".join(broken))
        with pytest.raises(DataError, match="line 3"):
            read_ledger(path)
        with pytest.raises(DataError):
            append_to_ledger(path, entries())


def test_a_ledger_rechained_after_a_change_does_not_follow_from_its_sums(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append_to_ledger(path, entries())
    forged = bodies(path)
    forged[2]["look"]["log_e_total"] = -9.0  # type: ignore[index]
    path.unlink()
    append_to_ledger(path, forged)
    (run,) = replay(parse_entries(bodies(path)))
    assert run.difference is not None
    assert run.difference.entry == 3
    assert run.difference.where == "look.log_e_total"
    assert run.difference.recorded == "-9.0"


def test_a_changed_number_of_an_hour_is_found() -> None:
    """Counts and look agree on the wrong number, and the chain was made anew."""
    recorded = list(entries())
    third = recorded[3]
    assert isinstance(third, Looked)
    counts, look = replace(third.counts, hour=7), replace(third.look, hour=7)
    recorded[3] = Looked(counts, look)
    (run,) = replay(recorded)
    assert run.difference is not None
    assert run.difference.entry == 4
    assert (run.difference.recorded, run.difference.derived) == ("7", "2")


def test_changed_sums_change_the_evidence(tmp_path: Path) -> None:
    recorded = [msgspec.to_builtins(entry) for entry in entries()]
    recorded[3]["counts"]["canary"]["conversions"] = 300
    (run,) = replay(parse_entries(recorded))
    assert run.difference is not None
    assert run.difference.entry == 4


def test_looks_after_a_roll_back_are_a_difference() -> None:
    rolled = entries(canary_conversions=100)
    extra = entries(canary_conversions=290)[1]
    (run,) = replay([*rolled[:-1], extra, rolled[-1]])
    assert run.difference is not None
    # opened, looked and closed follow: what stands third does not
    assert run.difference.entry == 3


def test_what_follows_from_nothing_is_named_by_the_place_behind_the_rest() -> None:
    rolled = entries(canary_conversions=100)
    extra = entries(canary_conversions=290)[1]
    (run,) = replay([*rolled[:2], extra])
    assert run.difference is not None
    assert (run.difference.entry, run.difference.where) == (3, "entries")
    assert (run.difference.recorded, run.difference.derived) == ("3", "2")


def further(recorded: tuple[Entry, ...], n_hours: int, conversions: int = 290) -> tuple[Entry, ...]:
    """Return what a ledger lacks of a ramp of ten hours after some."""
    hours = [
        Hour(i, 0.5, 2000, 1000, group(1000, 300), group(1000, conversions)) for i in range(n_hours)
    ]
    opened = Opened("0", "popularity", "epsilon", (0.5,), 10, 0.05, GUARDRAILS)
    return further_entries(recorded, opened, hours, monitor(hours))


def test_a_ramp_that_goes_on_adds_its_new_looks_and_verdict() -> None:
    begun = further((), 2)
    assert [type(entry) for entry in begun] == [Opened, Looked, Looked, Closed]
    assert further(begun, 2) == ()
    more = further(begun, 3)
    assert [type(entry) for entry in more] == [Looked, Closed]
    assert isinstance(more[0], Looked)
    assert more[0].counts.hour == 2
    assert further((*begun, *more), 3) == ()
    # without its verdict a ledger lacks just that
    assert further(begun[:-1], 2) == begun[-1:]
    # another canary begins anew
    other = (replace_opened(begun[0]), *begun[1:])
    assert further(other, 2) == begun


def replace_opened(entry: Entry) -> Entry:
    assert isinstance(entry, Opened)
    return msgspec.structs.replace(entry, canary="other")


def test_an_hour_that_was_looked_at_keeps_its_counts() -> None:
    begun = further((), 2)
    with pytest.raises(DataError, match="hour 1 was looked at with other counts"):
        further(begun, 2, conversions=291)
    with pytest.raises(DataError, match=r"hour 2 .*now none"):
        further(begun, 1)


def test_a_ledger_cut_short_has_no_verdict() -> None:
    (run,) = replay(entries()[:-1])
    assert run.verdict is None
    assert run.difference is None


def test_more_than_an_entry_says_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append_to_ledger(path, entries())
    forged = bodies(path)
    forged[2]["counts"]["canary"]["approved_by"] = "nobody"  # type: ignore[index]
    with pytest.raises(msgspec.ValidationError, match="line 3"):
        parse_entries(forged)


@pytest.mark.parametrize("kept", [0, 1, 3, 5, 6])
def test_an_interrupted_ledger_is_completed_by_the_next_run(tmp_path: Path, kept: int) -> None:
    whole, path = tmp_path / "whole.jsonl", tmp_path / "ledger.jsonl"
    append_to_ledger(whole, entries())
    path.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:kept]))
    recorded = parse_entries(bodies(path)) if kept else []
    append_to_ledger(path, missing_entries(recorded, entries()))
    assert path.read_bytes() == whole.read_bytes()


def test_another_ramp_follows_a_whole_one() -> None:
    other = entries(canary_conversions=280)
    assert missing_entries(entries(), other) == other


def test_a_line_cut_off_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append_to_ledger(path, entries())
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(DataError, match="line 6 is cut off") as caught:
        read_ledger(path)
    assert "last line" in caught.value.hint
    # an editor's missing last newline is no cut, and the next entry has its own line
    path.write_bytes(whole[:-1])
    append_to_ledger(path, entries(canary_conversions=280))
    assert len(read_ledger(path)) == 12


def test_a_failed_write_leaves_the_ledger_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "ledger.jsonl"
    append_to_ledger(path, entries())
    whole = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(WorkspaceError, match="No space"):
            append_to_ledger(path, entries(canary_conversions=280))
        with pytest.raises(WorkspaceError):
            append_to_ledger(tmp_path / "new.jsonl", entries())
    assert path.read_bytes() == whole
    assert append_to_ledger(tmp_path / "new.jsonl", entries()) == 6


def test_what_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_ledger(tmp_path / "none.jsonl")
    path = tmp_path / "ledger.jsonl"
    path.write_text("")
    with pytest.raises(DataError, match="empty"):
        read_ledger(path)
    path.write_text('{"a": 1}\n')
    with pytest.raises(DataError, match="line 1"):
        read_ledger(path)
    body = {"kind": "poem"}
    path.write_bytes(msgspec.json.encode(Line(body, chain_hash(GENESIS, body), GENESIS)))
    with pytest.raises(msgspec.ValidationError):
        parse_entries(bodies(path))
    with pytest.raises(ValueError, match="opening"):
        replay(entries()[1:])


@pytest.mark.parametrize("planned", [None, 3])
def test_a_ramp_before_its_planned_end_is_decided_again_as_running(planned: int | None) -> None:
    hours = [Hour(i, 0.5, 2000, 1000, group(20_000, 6000), group(20_000, 6000)) for i in range(2)]
    looks = follow(hours, GUARDRAILS, 0.05)
    opened = Opened("0", "popularity", "epsilon", (0.5,), planned, 0.05, GUARDRAILS)
    running = entries_of(opened, hours, conclude(hours, looks, GUARDRAILS, is_over=False))
    (run,) = replay(running)
    assert run.difference is None
    assert run.verdict is not None
    assert run.verdict.state == "running"
    over = entries_of(opened, hours, conclude(hours, looks, GUARDRAILS, is_over=True))
    (early,) = replay(over)
    assert early.difference is not None
    # at its planned end it is promoted
    (last,) = replay((msgspec.structs.replace(opened, planned_hours=2), *over[1:]))
    assert last.difference is None
    assert last.verdict is not None
    assert last.verdict.decision == "promote"
