"""What `cpz serve` hands back: one value for its three ways to run."""

from dataclasses import dataclass

from cpz.serving.log.log_dataset import PublishResult
from cpz.serving.messages import Recommendation


@dataclass(frozen=True, slots=True)
class Served:
    """What a server did from start to end.

    Attributes:
        url: where it listened.
        n_lines: log lines of decisions, events and feedback that were written.
        n_repeated: requests answered from memory because their id was known.
        n_events: events taken.
        n_context_only: requests answered without the store.
        n_unlogged: log lines that the disk refused to the end.
    """

    url: str
    n_lines: int
    n_repeated: int
    n_events: int
    n_context_only: int
    n_unlogged: int


@dataclass(frozen=True, slots=True)
class ServeResult:
    """The model that answered, and what came of it; of the last four all but one are null.

    Attributes:
        model: the model's name.
        version: its version.
        canary_version: the canary's version, if any.
        policy: the policy's name.
        served: what the server did.
        replies: the answers to `--once`.
        published: the dataset of `--publish`.
        forgotten: whether `--forget` found anything; null where it was not asked.
    """

    model: str
    version: str
    canary_version: str | None
    policy: str
    served: Served | None = None
    replies: tuple[Recommendation, ...] | None = None
    published: PublishResult | None = None
    forgotten: bool | None = None
