"""The configuration of `cpz canary judge`: one TOML file of rules for each metric.

    [thresholds]
    pass = 95
    marginal = 75

    [group_weights]
    errors = 60
    latency = 40

    [metrics.error_rate]
    groups = ["errors"]
    direction = "increase"
    critical = true

Names and defaults of the rules follow Kayenta's canary configuration
(github.com/spinnaker/kayenta, docs/canary-config.md).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cpz.data.documents import convert_document
from cpz.data.errors import ConfigError
from cpz.data.toml_files import read_toml

Direction = Literal["either", "increase", "decrease"]
Percent = Annotated[float, Meta(ge=0, le=100)]
Ratio = Annotated[float, Meta(ge=0)]
DEFAULT_GROUP = "metrics"


class MetricRules(Struct, frozen=True, forbid_unknown_fields=True):
    """How one metric is judged.

    Attributes:
        groups: the groups whose score it counts in.
        direction: which change is a failure.
        nan_strategy: drop missing values, or read them as 0 (absent error counts).
        outliers: keep them, or remove what lies outside the fences.
        outlier_factor: the fences' distance from the quartiles in interquartile ranges.
        critical: its failure fails the whole canary.
        must_have_data: missing data is a failure.
        muted: it is shown and not scored.
        allowed_increase: smallest ratio of means that counts as an increase.
        allowed_decrease: largest ratio of means that counts as a decrease.
        critical_increase: smallest ratio at which a critical metric fails the canary.
        critical_decrease: largest ratio at which a critical metric fails the canary.
        kind: the `cpz` judge's reading of the values: counts of rare events are tested exactly, of
            counters (running totals that a restart resets) the increments are compared; "auto"
            takes values unless exposure or name speak for events or totals, and says so.
        exposure: the metric that counts the trials behind a count, such as requests.
    """

    groups: tuple[str, ...] = (DEFAULT_GROUP,)
    direction: Direction = "either"
    nan_strategy: Literal["remove", "replace"] = "remove"
    outliers: Literal["keep", "remove"] = "keep"
    outlier_factor: Annotated[float, Meta(gt=0)] = 3.0
    critical: bool = False
    must_have_data: bool = False
    muted: bool = False
    allowed_increase: Ratio = 1.0
    allowed_decrease: Ratio = 1.0
    critical_increase: Ratio = 1.0
    critical_decrease: Ratio = 1.0
    kind: Literal["auto", "value", "count", "counter"] = "auto"
    exposure: str | None = None


class Thresholds(Struct, frozen=True, forbid_unknown_fields=True, rename={"pass_": "pass"}):
    """Scores from which a canary passes, and from which it is at least marginal."""

    pass_: Percent = 95.0
    marginal: Percent = 75.0


class JudgeConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules by metric, weights by group, and the score's thresholds.

    `group_weights` are percent and are not renormalised; groups without one share what is left
    of 100 evenly. Without `metrics` every metric of the files is judged by the default rules.
    """

    metrics: dict[str, MetricRules] = {}
    group_weights: dict[str, Percent] = {}
    thresholds: Thresholds = Thresholds()

    def rules(self, metric: str) -> MetricRules:
        """Return a metric's rules, the default ones where it has none."""
        return self.metrics.get(metric, MetricRules())


def load_judge_config(path: Path) -> JudgeConfig:
    """Read a judge's configuration.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: not TOML, an unknown key (the nearest known one is named), a wrong type, a
            value out of range, weights above 100, or thresholds in the wrong order.
    """
    return judge_config_of(read_toml(path, "configuration"), str(path))


def judge_config_of(document: Mapping[str, Any], where: str) -> JudgeConfig:
    """Turn plain values into a judge's configuration; `where` is what messages call them."""
    config: JudgeConfig = convert_document(document, JudgeConfig, where)
    _check(config, where)
    return config


def _check(config: JudgeConfig, where: str) -> None:
    total = sum(config.group_weights.values())
    limits = config.thresholds
    problem = ""
    if total > 100:
        problem = f"group_weights: expected at most 100 in all, got {total:g}"
    elif limits.marginal > limits.pass_:
        problem = (
            f"thresholds.marginal: expected at most thresholds.pass ({limits.pass_:g}), "
            f"got {limits.marginal:g}"
        )
    for name, rules in config.metrics.items():
        if not rules.groups and not rules.muted:
            problem = f"metrics.{name}.groups: expected at least one group"
    if problem:
        raise ConfigError(f"{where}: {problem}", path=where)
