"""Plans, analyses and judgments of the public face, against the commands' own numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import cpz
from cpz.api.result import Result
from cpz.cli.ab.runs import run_analyze, run_plan
from cpz.data import keyed
from cpz.data.errors import ConfigError, DataError, MissingColumnError, UsageError
from cpz.evaluation.ab.request import AnalysisRequest, PlanRequest
from cpz.report.encoding import encode_json

CANARY = Path(__file__).parents[2] / "examples" / "canary"
METRICS: dict[str, Any] = {
    "unit": "id",
    "variant": "arm",
    "control": "a",
    "time": "day",
    "metrics": {
        "spend": {"kind": "mean", "value": "spend", "covariate": "before"},
        "bought": {"kind": "proportion", "value": "bought"},
    },
}


@pytest.fixture(scope="module")
def units() -> pl.DataFrame:
    n = 4_000
    is_b = np.arange(n) % 2 == 1
    noise, luck = (keyed.uniform(5, name, np.arange(n)) for name in ("spend", "bought"))
    return pl.DataFrame(
        {
            "id": np.arange(n),
            "arm": np.where(is_b, "b", "a"),
            "day": np.arange(n) % 5,
            "spend": 10 * noise + 1.0 * is_b,
            "before": 10 * noise,
            "bought": (luck < 0.3).astype(np.int64),
        }
    )


@pytest.fixture(scope="module")
def files(units: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    import tomli_w

    folder = tmp_path_factory.mktemp("units")
    units.write_parquet(folder / "units.parquet")
    (folder / "metrics.toml").write_text(tomli_w.dumps(METRICS), encoding="utf-8")
    return folder / "units.parquet", folder / "metrics.toml"


@pytest.mark.parametrize("sequential", [False, True])
def test_an_analysis_has_the_command_s_bytes(
    units: pl.DataFrame, files: tuple[Path, Path], sequential: bool
) -> None:
    request = AnalysisRequest(split="50/50", sequential=sequential)
    outcome, result = run_analyze(*files, request, None)
    pandas = units.to_arrow().to_pandas()
    coded = units.cast({"arm": pl.Enum(["b", "a"])})
    for data, metrics in (files, (units, METRICS), (pandas, METRICS), (coded, METRICS)):
        found = cpz.ab.analyze(data, metrics=metrics, split=(50, 50), sequential=sequential)
        assert found.to_json() == encode_json(result)
        assert found.warnings == outcome.warnings
    assert found.verdict("spend") == found.verdict("spend", "b") == "better"
    frame = found.to_frame()
    assert frame["verdict"].to_list() == ["better", "no difference detected"]
    # spend differs by exactly 1 but for the covariate, which explains all of the rest
    assert frame["difference"][0] == pytest.approx(1.0, abs=0.02)


def test_a_plan_has_the_command_s_bytes(units: pl.DataFrame, files: tuple[Path, Path]) -> None:
    request = PlanRequest(effect=0.05, days=14)
    _, result = run_plan(*files, request)
    for data, metrics in ((files[0], str(files[1])), (units, METRICS)):
        found = cpz.ab.plan(data, metrics=metrics, effect=0.05, days=14)
        assert found.to_json() == encode_json(result)
    assert found.to_frame()["metric"].to_list() == ["spend", "bought"]
    assert found.to_frame()["window_n"].to_list() == [11_200] * 2
    by_hand = cpz.ab.plan(baseline=0.05, effect=0.1, split=(80, 20))
    assert by_hand.values.split == (0.8, 0.2)


def test_experiments_refuse_with_the_command_s_sentences(units: pl.DataFrame) -> None:
    with pytest.raises(UsageError, match="what is planned"):
        cpz.ab.plan(effect=0.1)
    with pytest.raises(UsageError, match="belong together"):
        cpz.ab.plan(units, effect=0.1)
    with pytest.raises(UsageError, match="'wlch' is unknown"):
        cpz.ab.analyze(units, metrics=METRICS, test="wlch")
    metrics = {key: value for key, value in METRICS.items() if key != "time"}
    with pytest.raises(UsageError, match="metrics names no `time`"):
        cpz.ab.analyze(units, metrics=metrics, sequential=True)
    with pytest.raises(MissingColumnError, match="no column 'bought'"):
        cpz.ab.analyze(units.drop("bought"), metrics=METRICS)
    with pytest.raises(ConfigError, match="metrics"):
        cpz.ab.analyze(units, metrics=METRICS | {"metrcs": {}})
    with pytest.raises(DataError, match="no rows"):
        cpz.ab.analyze(units.head(0), metrics=METRICS)


def test_a_judgment_has_the_command_s_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    from cpz.cli.app import run

    sides = [CANARY / "baseline.csv", CANARY / "canary.csv"]
    words = ["--baseline", str(sides[0]), "--canary", str(sides[1])]
    capsys.readouterr()
    run(["canary", "judge", *words, "--config", str(CANARY / "rules.toml"), "--json"])
    printed = json.loads(capsys.readouterr().out)
    found = cpz.canary.judge(*sides, config=CANARY / "rules.toml")
    frames = [pl.read_csv(side) for side in sides]
    same = cpz.canary.judge(*frames, config=CANARY / "rules.toml")
    assert found.to_dict() == same.to_dict() == printed["result"]
    assert found.verdict == "fail"
    assert found.score == printed["result"]["score"]
    assert list(found.warnings) == printed["warnings"]
    assert found.to_frame()["metric"].to_list() == list(printed["result"]["metrics"])


def test_a_judge_refuses_with_the_command_s_sentences() -> None:
    good = pl.DataFrame({"metric": ["m"] * 20, "timestamp": range(20), "value": [1.0, 2.0] * 10})
    with pytest.raises(UsageError, match="'kayent' is unknown"):
        cpz.canary.judge(good, good, judge="kayent")
    with pytest.raises(MissingColumnError, match="frame canary: no column 'value'"):
        cpz.canary.judge(good, good.drop("value"))
    with pytest.raises(ConfigError, match="config"):
        cpz.canary.judge(good, good, config={"treshold": 1})
    assert cpz.canary.judge(good, good, judge="kayenta", config={}).verdict == "pass"
    empty = good.head(0)
    with pytest.raises(DataError, match="nothing to judge"):
        cpz.canary.judge(empty, empty)


NASTY = "<b>&[red]x[/red]"


def test_pages_and_cells_escape_what_a_user_wrote(tmp_path: Path) -> None:
    series = pl.DataFrame({"metric": [NASTY] * 20, "timestamp": range(20), "value": [1.0] * 20})
    found = cpz.canary.judge(series, series)
    assert NASTY in str(found)
    for html in (found._repr_html_(), found.report(tmp_path / "new" / "page.html").read_text()):
        assert "<b>" not in html
        assert "&lt;b&gt;&amp;[red]x[/red]" in html


def test_every_result_is_a_frame_a_dict_a_text_and_a_page(
    units: pl.DataFrame, log: cpz.Dataset, model: cpz.Model, tmp_path: Path
) -> None:
    results: tuple[Result[Any], ...] = (
        model,
        cpz.evaluate(log, policy=model, config=cpz.OffPolicyConfig(estimators=("ipw",))),
        cpz.ab.plan(baseline=0.05, effect=0.1, units_per_day=100, days=7),
        cpz.ab.analyze(units, metrics=METRICS),
        cpz.canary.judge(CANARY / "baseline.csv", CANARY / "canary.csv"),
    )
    for number, result in enumerate(results):
        assert len(result.to_frame()) >= 1
        assert json.loads(result.to_json()) == json.loads(json.dumps(result.to_dict()))
        page = result.report(tmp_path / f"{number}.html").read_text(encoding="utf-8")
        assert result.call.verb in page
        html = result._repr_html_()
        assert html.startswith("<div>")
        assert html.count("<table>") == html.count("</table>") >= 1
        # the notebook shows what the terminal prints, number for number
        last = str(result).splitlines()[1].split()[0]
        assert last in html
        assert len(repr(result)) < 80
