"""`cpz train`: learn outcome models and policies from a dataset's decisions."""

from pathlib import Path
from typing import TYPE_CHECKING

from cpz.cli.shell.next_command import then
from cpz.cli.shell.options import (
    DEFAULT_WORKSPACE,
    JsonOption,
    WorkspaceOption,
)
from cpz.cli.shell.outcome import Outcome, Output, finish
from cpz.cli.shell.progress import progress_bar
from cpz.cli.shell.signature import spread
from cpz.cli.train.arguments import TrainArguments

if TYPE_CHECKING:
    from cpz.report.results.train import TrainResult

#: Assembling counts as one stage, then one per placement.
STAGES = 4


@spread
def train(
    arguments: TrainArguments,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Train an outcome model and policies per placement; save them as a new model version.

    Examples:
        cpz train
        cpz train --dataset mine --model mine --placement payment
    """
    from cpz.report.content.training import training_blocks

    outcome, result = run_train(arguments, workspace)
    return finish(outcome, json, training_blocks(result))


def run_train(arguments: TrainArguments, root: Path) -> "tuple[Outcome, TrainResult]":
    """Train and save; shared with `cpz demo`."""
    from cpz.data.dataset import open_dataset
    from cpz.data.workspace import Workspace
    from cpz.models.registry import save_model
    from cpz.models.trained import TrainingConfig
    from cpz.models.training import train as train_model
    from cpz.report.results.train import TrainResult

    workspace = Workspace(root)
    dataset = open_dataset(workspace, arguments.dataset)
    config = TrainingConfig(
        placements=arguments.placements,
        test_share=arguments.test_share,
        epsilon=arguments.epsilon,
        seed=arguments.seed,
        n_trees=arguments.trees,
        labels=arguments.labels,
    )
    with progress_bar("train", STAGES) as advance:
        trained = train_model(dataset, config, lambda _: advance(1))
    version = save_model(workspace, arguments.model, trained)
    result = TrainResult.of(arguments.model, version, trained)
    outcome = Outcome(
        "train",
        result,
        seed=arguments.seed,
        inputs=(str(dataset.path),),
        outputs=(Output("model", str(workspace.model(arguments.model) / version)),),
        next=(then(root, "evaluate", "--dataset", arguments.dataset, "--model", arguments.model),),
    )
    return outcome, result
