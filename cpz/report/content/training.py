"""What a trained model says: what each placement was fitted to, and how well it predicts."""

from cpz.report.format import COUNT, PLAIN, format_value
from cpz.report.results.train import TrainedPlacement, TrainResult
from cpz.report.values import Block, Note, Report, Section, Status, Table, table

LABELS = {"funnel": "funnel labels", "upstream": "upstream labels", "reward": "rewards"}


def training_blocks(result: TrainResult) -> tuple[Block, ...]:
    """Say one line per placement."""
    caption = " ".join(word for word in ("model", result.model, result.version) if word)
    columns = (
        *("placement", "options", "trees", "trained on", "held out"),
        *("calibration slope", "fitted to"),
    )
    rows = (
        (
            name or "sessions",
            format_value(len(part.options), COUNT),
            format_value(part.n_trees, COUNT),
            format_value(part.summary.n_train, COUNT),
            format_value(part.summary.n_test, COUNT),
            format_value(part.summary.calibration.slope, PLAIN),
            LABELS[part.summary.labels],
        )
        for name, part in result.placements.items()
    )
    return (table(caption, columns, rows),)


def training_report(result: TrainResult, config_toml: str, command: str) -> Report:
    """Say all of a training."""
    calibration = (_calibration(name, part) for name, part in result.placements.items())
    blocks = (*training_blocks(result), *calibration)
    return Report(
        title="What was trained",
        subtitle=f"On dataset {result.dataset}; {result.split.test_share:.0%} of it is held out.",
        summary=(),
        trust=(
            Note(
                Status.INFO,
                "A calibration slope of 1 is ideal. To learn what a policy over this model "
                "is worth, evaluate it on the held-out rows.",
            ),
        ),
        sections=(Section("placements", "Placements", "", blocks),),
        command=command,
        config_toml=config_toml,
    )


def _calibration(name: str, part: TrainedPlacement) -> Table:
    rows = (
        (str(number), *(format_value(v, PLAIN) for v in (b.n, b.mean_predicted, b.mean_observed)))
        for number, b in enumerate(part.summary.calibration.bins, start=1)
    )
    caption = f"{name or 'sessions'}: held-out rows by tenth of the prediction"
    return table(caption, ("tenth", "rows", "predicted", "observed"), rows)
