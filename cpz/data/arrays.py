"""The arrays that pass between parts: one name for each kind of element."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
#: Numbers or whole numbers of any width.
Numbers = npt.NDArray[np.number]
Codes = npt.NDArray[np.integer]
