"""scripts/train.py on the tests' small MNIST, for tests that need a process of their own.

The files' md5 come as JSON in the variable TINY_MD5, which the processes of a distributed run
inherit.
"""

import json
import os

if __name__ == "__main__":
    from mlp_lab.commands import train
    from mlp_lab.data import mnist

    mnist.MNIST.md5 = json.loads(os.environ["TINY_MD5"])
    mnist._TRAIN_SIZE = 1_600
    train()
