"""Functions that numba compiles when they are first called."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from attn_platform.jit import Compiled, njit, vectorize

VALUES = np.array([3.0, 0.0, -2.0])


def test_a_function_and_those_that_it_calls_are_numbas() -> None:
    assert isinstance(total_of_squares, Compiled), "not before it is called"
    assert isinstance(squared, Compiled)
    assert total_of_squares(VALUES) == 13.0
    assert not isinstance(squared, Compiled), "numba has to find its own function there"
    assert squared.signatures, "compiled, not interpreted"
    assert total_of_squares.compiled().signatures
    assert total_of_squares.py_func(VALUES) == 13.0


def test_a_vectorized_function_has_its_signature() -> None:
    np.testing.assert_array_equal(halved(np.array([1, 4])), [0.5, 2.0])
    assert halved.compiled().types == ["d->d"]


def test_several_threads_may_be_the_first_to_call() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tripled, range(50))) == [3 * number for number in range(50)]


def test_an_error_of_the_function_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        inverse(0)


def test_numba_is_loaded_by_the_first_call() -> None:
    code = """
import sys
import numpy as np
from attn_platform.factors.kernels import rolling_mean
before = "numba" in sys.modules
mean = rolling_mean(np.array([[1.0], [3.0]]), 2, 1)
print(before, "numba" in sys.modules, mean[1, 0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "2.0"]


@njit(nogil=True)
def squared(x):
    return x * x


@njit(nogil=True)
def total_of_squares(values):
    total = 0.0
    for value in values:
        total += squared(value)
    return total


@vectorize(["float64(float64)"], nopython=True)
def halved(x):
    return x / 2


@njit()
def tripled(x):
    return 3 * x


@njit()
def inverse(x):
    return 1 // x
