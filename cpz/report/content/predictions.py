"""What held-out rows say of an outcome model: metrics with intervals, and calibration."""

from collections.abc import Mapping

from cpz.evaluation.predictive_study import PredictiveStudy
from cpz.report.chart_values import CalibrationBin, CalibrationChart, Interval
from cpz.report.format import COUNT, PLAIN, format_interval, format_value, interval_digits
from cpz.report.results.evaluate import Predictive
from cpz.report.values import Align, Block, Section, Table, asides

_COLUMNS = ("placement", "rows", "metric", "value", "95 % interval")


def predictive_blocks(predictive: Mapping[str, Predictive]) -> tuple[Block, ...]:
    """Say each placement's metrics; nothing without an outcome model."""
    if not predictive:
        return ()
    notes = "\n".join(
        f"{name or 'sessions'}: {note}"
        for name, study in predictive.items()
        for note in study.notes
    )
    return (_metrics(predictive, has_method=False), *asides(notes))


def predictive_sections(
    predictive: Mapping[str, Predictive], studies: Mapping[str, PredictiveStudy]
) -> tuple[Section, ...]:
    """Say all metrics and draw the calibration of those studied; nothing without a model."""
    if not predictive:
        return ()
    charts = (
        _calibration(name or "sessions", found) for name, found in studies.items() if found.bins
    )
    intro = "The outcome model on held-out rows, for the option that was shown."
    _, *notes = predictive_blocks(predictive)
    blocks = (_metrics(predictive, has_method=True), *notes, *charts)
    return (Section("predictions", "Predictions", intro, blocks),)


def _metrics(predictive: Mapping[str, Predictive], *, has_method: bool) -> Table:
    """Return one row a metric; a page has room for how each was computed."""
    rows = []
    for name, study in predictive.items():
        for index, metric in enumerate(study.metrics.values()):
            low, high = metric.ci or (None, None)
            rows.append(
                (
                    (name or "sessions") if index == 0 else "",
                    format_value(study.n, COUNT) if index == 0 else "",
                    metric.name,
                    format_value(metric.estimate, PLAIN, interval_digits(low, high, PLAIN)),
                    format_interval(low, high, PLAIN) if metric.ci else "",
                    *([metric.method] if has_method else []),
                )
            )
    columns = (*_COLUMNS, "method") if has_method else _COLUMNS
    align: tuple[Align, ...] = ("left", "right", "right", "right", "right", "left")
    caption = "outcome model on held-out rows"
    return Table(columns, tuple(rows), caption, align[: len(columns)])


def _calibration(name: str, study: PredictiveStudy) -> CalibrationChart:
    return CalibrationChart(
        title=f"Calibration: {name}",
        description="Predicted against observed share, by tenth of the prediction; a calibrated "
        "model lies on the diagonal.",
        bins=tuple(
            CalibrationBin(b.predicted, b.observed, Interval(*b.ci), b.n) for b in study.bins
        ),
    )
