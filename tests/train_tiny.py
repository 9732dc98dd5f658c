"""scripts/train.py on the tests' small MNIST, for tests that need a process of their own.

The files' md5 come as JSON in the variable TINY_MD5. All processes that this one starts inherit
it, and take the small MNIST as well: those of a distributed run, and the workers of a sweep.
"""

import os
import runpy
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).with_name("small_mnist")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    runpy.run_path(str(folder / "sitecustomize.py"))
    from mlp_lab.commands.train import train

    train()
