"""Point-in-time features of many decisions, beside sorting, prefix sums and searching."""

from collections.abc import Mapping
from pathlib import Path

from cpz.bench.workload import Prepared, Workload


def _prepare(sizes: Mapping[str, int], _: Path) -> Prepared:
    import numpy as np

    from cpz.bench.shopping import event_log
    from cpz.features.batch import event_features
    from cpz.features.declarations import FEATURES, Source
    from cpz.features.history import sort_events

    log = event_log(sizes["shoppers"], sizes["events"], sizes["decisions"])
    declared = tuple(feature for feature in FEATURES if feature.source is Source.EVENTS)
    rows = np.arange(sizes["calibration_rows"], dtype=np.uint64)
    keys = (rows * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)).astype(np.int64)

    def work() -> None:
        event_features(sort_events(log.events), declared, log.shopper_id, log.t_us)

    def calibrate() -> None:
        for _ in range(sizes["calibration_rounds"]):
            ordered = np.sort(keys)
            sums = np.cumsum(ordered)
            sums[np.searchsorted(ordered, keys) - 1].sum()

    return Prepared(work, calibrate)


WORKLOAD = Workload(
    name="features",
    what="sort events and compute every event feature, batch engine",
    calibration="NumPy sort, prefix sums and binary search of int64",
    sizes={
        "shoppers": 1_500,
        "events": 30_000,
        "decisions": 4_000,
        "calibration_rows": 40_000,
        "calibration_rounds": 3,
    },
    n_units=10,
    n_pairs=15,
    prepare=_prepare,
)
