"""Services and a browser: which tests need one, and what a run must not pass over in silence."""

import os
from collections.abc import Generator
from typing import Any

import pytest

#: A test that asks for such a fixture gets the mark, so that none can lack it.
MARK_OF_FIXTURE = {"redis": "service", "chromium": "browser"}
#: Set where everything that tests need is installed, as by .ci/run: a skip is a failure then.
REQUIRED = "CPZ_REQUIRE_SERVICES"


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture, mark in MARK_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    marks = [mark for mark in MARK_OF_FIXTURE.values() if item.get_closest_marker(mark)]
    if marks and os.environ.get(REQUIRED) and _is_skip(report):
        report.outcome = "failed"
        report.longrepr = f"a {marks[0]} test was skipped, and {REQUIRED} is set: {report.longrepr}"
    return report


def _is_skip(report: Any) -> bool:
    return bool(report.skipped) and not hasattr(report, "wasxfail")
