"""What holds for every test: which need a server or a browser, and that none goes by the clock."""

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

# An example that a busy machine delays is no defect: Hypothesis would fail it after 200 ms.
settings.register_profile("cpz", deadline=None)
settings.load_profile("cpz")

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
