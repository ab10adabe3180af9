"""Scripts of `benchmarks/` and `scripts/` as modules, without putting a folder of scripts on the path."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def script(name: str, folder: str = "benchmarks") -> ModuleType:
    """The script `FOLDER/NAME.py`."""
    spec = spec_from_file_location(name, Path(__file__).parents[1] / folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # data classes look their module up while they are made
    spec.loader.exec_module(module)
    return module
