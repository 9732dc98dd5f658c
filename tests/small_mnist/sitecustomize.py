"""Python loads this file at its start where PYTHONPATH holds this folder: see train_tiny.py.

``mlp_lab.data.mnist`` loads torch, which a process has yet to set up. So it is changed only once
something imports it.
"""

import json
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


class SmallMNIST:
    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "mlp_lab.data.mnist":
            return None
        sys.meta_path.remove(cls)
        spec = find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            module.MNIST.md5 = json.loads(os.environ["TINY_MD5"])
            module._TRAIN_SIZE = 1_600

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, SmallMNIST)
