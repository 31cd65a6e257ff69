"""Array types, by what they hold. Shapes stand in the docstrings of what uses them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Complex64 = npt.NDArray[np.complex64]
Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int16 = npt.NDArray[np.int16]
Int64 = npt.NDArray[np.int64]
Intp = npt.NDArray[np.intp]
Uint8 = npt.NDArray[np.uint8]
