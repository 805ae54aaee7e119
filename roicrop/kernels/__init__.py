"""The core that pools boxes, chosen once, at import.

There are two cores, with the same functions and the same results: `_compiled`, if it was built, and
`numpy_core`, everywhere, whose `crop` says what both take. The environment variable
ROICROP_KERNEL=compiled|numpy overrides this. Nothing outside this folder knows which core runs,
except to tell the user its `NAME`.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

from roicrop.errors import KernelError
from roicrop.kernels import numpy_core

__all__ = ["NAME", "WORK_AT_ONCE", "crop"]

_VARIABLE: Final = "ROICROP_KERNEL"


def _choose(wanted: str | None) -> Any:
    if wanted not in (None, "", "compiled", "numpy"):
        raise KernelError(f"{_VARIABLE}={wanted} names no core: choose compiled or numpy")
    if wanted != "numpy":
        try:
            return importlib.import_module("roicrop.kernels._compiled")
        except ModuleNotFoundError as error:
            if wanted == "compiled":
                raise KernelError(
                    f"{_VARIABLE}=compiled, but this installation has no compiled core: "
                    "reinstall roicrop with a C++ compiler, or unset the variable"
                ) from error
        except ImportError as error:
            raise KernelError(
                f"the compiled core does not load ({error}): "
                f"install roicrop again, or set {_VARIABLE}=numpy"
            ) from error
    return numpy_core


_core: Final = _choose(os.environ.get(_VARIABLE))
# "numpy", or "compiled" and its vector instructions in brackets.
NAME: Final[str] = _core.NAME
# How many samples or cells, over all channels, are surely read within a second.
WORK_AT_ONCE: Final[int] = _core.WORK_AT_ONCE
crop = numpy_core.crop
if _core is not numpy_core:
    crop = _core.crop
