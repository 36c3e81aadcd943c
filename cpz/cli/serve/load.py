"""`cpz load`: is the server fast enough, and what does it answer when it is not?"""

from cpz.cli.serve.arguments import LoadArguments
from cpz.cli.shell.options import DEFAULT_WORKSPACE, JsonOption, RunFolderOption, WorkspaceOption
from cpz.cli.shell.outcome import finish
from cpz.cli.shell.signature import spread


@spread
def load(
    arguments: LoadArguments,
    out: RunFolderOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> int:
    """Load-test a scoring server with a dataset's visits; latency is from the intended send time.

    Examples:
        cpz load --url http://127.0.0.1:8080 --rate 1000 --duration 30
        cpz load --url http://127.0.0.1:8080 --fail-on 'p99_ms>25' --fail-on 'n_errors>0'
        cpz load --url http://127.0.0.1:8080 --closed 32 --json
    """
    from cpz.cli.serve.load_runs import run_load_test
    from cpz.report.content.load import load_blocks

    outcome, result = run_load_test(arguments, workspace, out)
    return finish(outcome, json, load_blocks(result))
