from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cpz.data.dataset import Dataset, build
from cpz.data.errors import CpzError, DataError, MissingColumnError, NotFoundError
from cpz.data.manifest import Recipe
from cpz.data.tables import OUTCOMES, SENSITIVE
from cpz.data.workspace import Workspace
from cpz.features.assemble import (
    SESSION_OPTION,
    decided_placements,
    decision_batch,
    session_batch,
)
from cpz.features.declarations import FEATURES, Aggregation, EventFilter, Feature, Group, Source


def imported(
    root: Path,
    frames: dict[str, pl.DataFrame],
    options: tuple[str, ...] = ("a", "b"),
    **context: tuple[str, ...],
) -> Dataset:
    recipe = Recipe(
        kind="imported",
        placements={"payment": options} if "decisions" in frames else {},
        context=context,
    )
    tables = {name: frame.to_arrow() for name, frame in frames.items()}
    return build(Workspace(root), "log", recipe, [lambda: tables])


def log(**columns: object) -> pl.DataFrame:
    base: dict[str, object] = {
        "decision_id": [0, 1, 2],
        "session_id": [0, 1, 2],
        "shopper_id": [7, 7, 8],
        "placement": ["payment"] * 3,
        "action": ["b", "a", "b"],
        "reward": [1.0, 0.0, 0.5],
    }
    return pl.DataFrame(base | columns)


def test_simulated_decisions(small_dataset: Dataset) -> None:
    batch = decision_batch(small_dataset, "payment")
    decisions = small_dataset.frame("decisions").filter(pl.col("placement") == "payment")
    assert batch.ids["decision_id"].to_list() == decisions["decision_id"].to_list()
    assert batch.action is not None
    assert [batch.options[a] for a in batch.action] == decisions["action"].to_list()
    assert batch.propensity is not None
    assert batch.propensity.tolist() == decisions["propensity"].to_list()
    assert batch.reward.tolist() == decisions["converted"].cast(pl.Float64).to_list()
    assert batch.position is not None
    assert batch.position.tolist() == [0] * len(batch)
    assert batch.unit.tolist() == decisions["shopper_id"].to_list()
    lists = [[o for o, e in zip(batch.options, row, strict=True) if e] for row in
             batch.visits.eligible.tolist()]  # fmt: skip
    assert lists == decisions["eligible"].to_list()


def test_context_holds_every_feature_and_no_outcome_nor_sensitive_column(
    small_dataset: Dataset,
) -> None:
    batch = decision_batch(small_dataset, "payment")
    assert set(batch.context.columns) == {feature.name for feature in FEATURES}
    assert not set(batch.context.columns) & set(OUTCOMES + SENSITIVE)


def test_profile_and_time_features_by_hand(small_dataset: Dataset) -> None:
    batch = decision_batch(small_dataset, "payment")
    decided = batch.ids["decided_at"][5]
    shopper = small_dataset.frame("shoppers").row(int(batch.unit[5]), named=True)
    row = batch.context.row(5, named=True)
    assert row["hour_of_day"] == decided.hour
    assert row["day_of_week"] == decided.isoweekday()
    assert row["tenure_days"] == (decided - shopper["signed_up_at"]).days
    assert row["loyalty_tier"] == shopper["loyalty_tier"]
    assert row["stored_methods"] == shopper["stored_methods"]


def test_null_eligibility_means_every_option(small_dataset: Dataset) -> None:
    assert decision_batch(small_dataset, "shipping").visits.eligible.all()


def test_session_time_spans_placements(small_dataset: Dataset) -> None:
    # the shipping decision falls 30 s after the payment decision of the same session
    shipping = decision_batch(small_dataset, "shipping").ids
    late = (shipping["decided_at"] - shipping["session_at"]).dt.total_seconds()
    assert late.unique().to_list() == [30]


def test_sensitive_features_are_used_only_when_declared(small_dataset: Dataset) -> None:
    age = Feature(
        "age_band", Group.PROFILE, Source.SHOPPERS, Aggregation.VALUE, "age_band",
        kind="category", is_sensitive=True,
    )  # fmt: skip
    assert "age_band" in decision_batch(small_dataset, "payment", (age,)).context.columns


def test_imported_log_without_times_events_or_sessions(tmp_path: Path) -> None:
    frame = log(x_1=[0.1, 0.2, 0.3], clicked=[True, False, True])
    batch = decision_batch(
        imported(tmp_path, {"decisions": frame}, decisions=("x_1", "clicked")), "payment"
    )
    assert batch.context.columns == ["x_1"]
    assert not batch.has_time
    assert batch.propensity is None
    assert batch.position is None
    assert batch.action is not None
    assert batch.action.tolist() == [1, 0, 1]
    assert batch.visits.eligible.all()


def test_log_without_any_context_has_a_constant_one(tmp_path: Path) -> None:
    batch = decision_batch(imported(tmp_path, {"decisions": log()}), "payment")
    assert len(batch.context) == 3


def test_text_units_propensities_and_positions(tmp_path: Path) -> None:
    frame = log(shopper_id=["y", "x", "y"], propensity=[0.5, None, 0.25], position=[2, None, 0])
    batch = decision_batch(imported(tmp_path, {"decisions": frame}), "payment")
    assert batch.unit[0] == batch.unit[2] != batch.unit[1]
    assert batch.propensity is not None
    np.testing.assert_array_equal(batch.propensity, [0.5, np.nan, 0.25])
    assert batch.position is not None
    assert batch.position.tolist() == [2, -1, 0]


def test_take_keeps_rows_together(small_dataset: Dataset) -> None:
    batch = decision_batch(small_dataset, "payment")
    mask = np.arange(len(batch)) % 3 == 1
    part, same = batch.take(mask), batch.take(np.flatnonzero(mask))
    assert part.ids.equals(same.ids)
    assert part.reward.tolist() == batch.reward[mask].tolist()
    assert part.context.equals(batch.context.filter(mask))
    assert len(part.visits) == mask.sum()


def test_sessions_without_decisions(tmp_path: Path) -> None:
    sessions = pl.DataFrame(
        {
            "session_id": [0, 1],
            "shopper_id": [0, 1],
            "converted": [True, False],
            "device": ["tv", "mobile"],
            "revenue_minor": [5, 0],
            "pages": [3, 4],
            "gender": ["f", "m"],
        }
    )
    dataset = imported(tmp_path, {"sessions": sessions}, sessions=("pages", "gender"))
    batch = session_batch(dataset)
    assert decided_placements(dataset) == ()
    assert batch.placement == ""
    assert batch.options == (SESSION_OPTION,)
    assert batch.action is None
    assert batch.reward.tolist() == [1.0, 0.0]
    assert set(batch.context.columns) == {"pages", "device"}


def test_decided_placements_follow_the_catalogue(small_dataset: Dataset) -> None:
    assert decided_placements(small_dataset) == ("payment", "shipping")


@pytest.mark.parametrize(
    ("frame", "kind", "says"),
    [
        (log(action=["b", "zz", "a"]), DataError, "row 2, 'zz'"),
        (log(eligible=[["a"], [], None]), DataError, "row 2"),
        (log(eligible=[["a"], ["q"], None]), DataError, "'q'"),
        (log(reward=[1.0, 0.0, float("nan")]), DataError, "row 3"),
        (log(reward=[None, 0.0, 1.0]), DataError, "row 1"),
        (log(placement=["other"] * 3), DataError, "payment"),
    ],
)
def test_broken_decisions(
    tmp_path: Path, frame: pl.DataFrame, kind: type[CpzError], says: str
) -> None:
    dataset = imported(tmp_path, {"decisions": frame})
    with pytest.raises(kind, match=says):
        decision_batch(dataset, "payment")


def test_unknown_placement_names_the_nearest(small_dataset: Dataset) -> None:
    with pytest.raises(NotFoundError) as caught:
        decision_batch(small_dataset, "paymnt")
    assert "payment" in caught.value.hint


def test_repeated_session_ids_are_refused(tmp_path: Path) -> None:
    sessions = pl.DataFrame({"session_id": [0, 1, 1], "device": ["a", "b", "c"]})
    dataset = imported(tmp_path, {"sessions": sessions, "decisions": log()})
    with pytest.raises(DataError, match="session_id: row 2"):
        decision_batch(dataset, "payment")


def test_sessions_without_an_outcome(tmp_path: Path) -> None:
    dataset = imported(tmp_path, {"sessions": pl.DataFrame({"session_id": [0]})})
    with pytest.raises(MissingColumnError, match="converted"):
        session_batch(dataset)


def test_declarations_refuse_contradictions() -> None:
    with pytest.raises(ValueError, match="where"):
        Feature("f", Group.PROFILE, Source.EVENTS, Aggregation.COUNT)
    with pytest.raises(ValueError, match="column"):
        Feature("f", Group.PROFILE, Source.SHOPPERS, Aggregation.VALUE)
    with pytest.raises(ValueError, match="window_s"):
        Feature(
            "f", Group.BEHAVIOURAL, Source.EVENTS, Aggregation.COUNT,
            where=EventFilter("left"), window_s=0,
        )  # fmt: skip
    second = EventFilter("left")
    Feature("f", Group.BEHAVIOURAL, Source.EVENTS, Aggregation.COUNT, where=second, window_s=1)


def test_at_least_a_dozen_features_with_distinct_names() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(names) == len(set(names)) >= 12
    assert not any(feature.is_sensitive or feature.column in SENSITIVE for feature in FEATURES)


def test_the_docs_have_every_feature() -> None:
    page = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")
    rows = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert [feature.name for feature in FEATURES if f"`{feature.name}`" not in rows] == []


def test_an_unknown_option_is_named_with_its_first_row(tmp_path: Path) -> None:
    """Rows 2 and 3 of 3, counted from 1."""
    dataset = imported(tmp_path, {"decisions": log(action=["a", "q", "z"])})
    with pytest.raises(DataError, match=r"2 of 3 .*first: row 2, 'q'"):
        decision_batch(dataset, "payment")


def test_numbers_flags_and_texts_are_inputs_and_lists_are_none(tmp_path: Path) -> None:
    context = {"n": [1, 2, 3], "flag": [True, False, True], "text": ["x", "y", "z"]}
    lists = {"many": [["a"], ["b"], []]}
    dataset = imported(
        tmp_path, {"decisions": log(**context, **lists)}, decisions=(*context, *lists)
    )
    assert decision_batch(dataset, "payment").context.columns == list(context)


def test_text_positions_are_numbered_from_zero_in_their_order(tmp_path: Path) -> None:
    dataset = imported(tmp_path, {"decisions": log(position=["top", "bottom", "top"])})
    batch = decision_batch(dataset, "payment")
    assert batch.position is not None
    assert batch.position.tolist() == [1, 0, 1]
    part = batch.take(np.array([1, 2]))
    assert part.position is not None
    assert part.position.tolist() == [0, 1]
    assert part.ids["decision_id"].to_list() == [1, 2]


def test_a_part_of_a_batch_has_what_the_batch_has(tmp_path: Path) -> None:
    batch = decision_batch(imported(tmp_path, {"decisions": log()}), "payment")
    part = batch.take(np.array([False, True, True]))
    assert (batch.position, part.position) == (None, None)
    assert (batch.propensity, part.propensity) == (None, None)
    assert part.action is not None
    assert part.action.tolist() == [0, 1]
    assert part.reward.tolist() == [0.0, 0.5]
    assert part.unit.tolist() == [7, 8]


def test_an_event_feature_says_which_columns_it_reads() -> None:
    where = EventFilter("option_selected", step="payment")
    last = Feature("x", Group.BEHAVIOURAL, Source.EVENTS, Aggregation.LAST, "option", where)
    assert last.event_columns == ("type", "step", "option")
    count = Feature(
        "y", Group.BEHAVIOURAL, Source.EVENTS, Aggregation.COUNT, where=EventFilter("left")
    )
    assert count.event_columns == ("type",)
    assert Feature("z", Group.TEMPORAL, Source.TIME, Aggregation.HOUR).event_columns == ()
