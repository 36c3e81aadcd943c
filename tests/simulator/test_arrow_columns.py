"""Columns put together from buffers hold what was given, and load nothing that is not used."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpz.simulator.tables.arrow import categories, column, lists, texts

#: Loaded by `pa.array` or by modules that other commands need.
UNUSED = ("pandas", "lightgbm", "scipy.stats")


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.float64, np.bool_])
@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=20))
def test_a_column_holds_its_values_and_nulls(
    kind: type[np.generic], rows: list[tuple[int, bool]]
) -> None:
    values: npt.NDArray[np.generic] = np.array([value for value, _ in rows]).astype(kind)
    valid = np.array([is_valid for _, is_valid in rows], dtype=np.bool_)
    made = column(values, valid)
    made.validate(full=True)
    assert made.null_count == (~valid).sum()
    expected = [v if ok else None for v, ok in zip(values.tolist(), valid, strict=True)]
    assert made.to_pylist() == expected
    assert column(values).to_pylist() == values.tolist()


def test_a_strided_array_makes_a_column() -> None:
    assert column(np.arange(6)[::2]).to_pylist() == [0, 2, 4]


@given(st.lists(st.text(max_size=5), max_size=20))
def test_texts_come_back(names: list[str]) -> None:
    made = texts(names)
    made.validate(full=True)
    assert made.to_pylist() == names


@given(st.lists(st.integers(-1, 2), max_size=20))
def test_category_codes_name_their_texts(codes: list[int]) -> None:
    names = ["card", "", "zoë"]
    made = categories(names, np.array(codes, dtype=np.int64))
    made.validate(full=True)
    assert made.to_pylist() == [None if code < 0 else names[code] for code in codes]
    whole = lists(np.array([len(codes)]), made)
    whole.validate(full=True)
    assert whole.to_pylist() == [made.to_pylist()]


def test_simulating_and_reading_load_nothing_that_is_not_used() -> None:
    assert all(find_spec(name.split(".")[0]) for name in UNUSED), "else this test says nothing"
    code = (
        "import sys, tempfile; from cpz.cli.app import run\n"
        "with tempfile.TemporaryDirectory() as root:\n"
        "    code = run(['simulate', '--scenario', 'tiny', '--sessions', '200', '--json',\n"
        "                '--workspace', root])\n"
        f"print('loaded', sorted(set({UNUSED!r}) & set(sys.modules)), code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded [] 0"
