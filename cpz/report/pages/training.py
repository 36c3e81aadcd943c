"""The page of a trained model: what each placement was fitted to, and how well it predicts."""

from cpz.data.version import __version__
from cpz.report.format import PLAIN, format_value
from cpz.report.results.train import TrainedPlacement, TrainResult
from cpz.report.terminal.blocks import blocks_of
from cpz.report.terminal.tables import train_tables
from cpz.report.values import Block, Note, Report, Section, Status, Table, label_and_numbers


def training_report(result: TrainResult, config_toml: str, command: str) -> Report:
    """Say all of a training as plain values.

    Args:
        result: what was trained.
        config_toml: the configuration.
        command: what reproduces the page.
    """
    blocks: list[Block] = [*blocks_of(train_tables(result))]
    blocks += [_calibration(name, part) for name, part in result.placements.items()]
    return Report(
        title="What was trained",
        subtitle=f"On dataset {result.dataset}; {result.split.test_share:.0%} of it is held out.",
        summary=(),
        trust=(
            Note(
                Status.INFO,
                "A calibration slope of 1 is ideal. What a policy over this model is worth is for "
                "an evaluation on the rows held out.",
            ),
        ),
        sections=(Section("placements", "Placements", "", tuple(blocks)),),
        command=command,
        config_toml=config_toml,
        versions=(("cpz", __version__),),
    )


def _calibration(name: str, part: TrainedPlacement) -> Table:
    rows = tuple(
        (str(number), *(format_value(v, PLAIN) for v in (b.n, b.mean_predicted, b.mean_observed)))
        for number, b in enumerate(part.summary.calibration.bins, start=1)
    )
    caption = f"{name or 'sessions'}: held-out rows by tenth of the prediction"
    return Table(("tenth", "rows", "predicted", "observed"), rows, caption, label_and_numbers(3))
