"""How fast training is, beside other ways to train the same network on the same data.

python scripts/benchmark.py                 both networks, as Markdown on standard output
python scripts/benchmark.py --rounds 9      more rounds: less noise
python scripts/benchmark.py --stacked       sweeps that train as one network
python scripts/benchmark.py --threads       which thread settings are the fastest
python scripts/benchmark.py --cost          what a perceptron costs, and an MLP
python scripts/benchmark.py --images        image regression from encoded coordinates
"""

import argparse
import warnings

from mlp_lab.errors import UserError
from mlp_lab.threads import processes_for, said_threads, set_threads


def benchmark() -> None:
    """Measure what the command line asks for; print it as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stacked", action="store_true", help="compare stacked sweeps instead")
    parser.add_argument("--threads", action="store_true", help="compare thread settings instead")
    parser.add_argument("--cost", action="store_true", help="compare networks instead")
    parser.add_argument("--images", action="store_true", help="compare image regression instead")
    args = parser.parse_args()
    if args.threads:
        from mlp_lab.benchmark import threads

        print(threads.compare(args.rounds))
        return
    processes = processes_for(None, said_threads())
    set_threads(None)  # as the commands do, before torch is loaded
    import torch

    from mlp_lab.benchmark import cost, epochs, images, stacks
    from mlp_lab.data import MNIST

    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}\n")
    if args.cost:
        print(cost.compare(args.rounds))
        return
    warnings.simplefilter("ignore")  # what Lightning has to say about template style
    if args.images:
        try:
            print(images.compare(args.rounds))
        except UserError as error:
            parser.error(str(error))
        return
    data = MNIST(root=None, train_size=None, standardize=True, batch_size=1, seed=0, limits={})
    data.prepare_data()
    data.setup()
    if args.stacked:
        torch.set_num_threads(1)  # in which loops and processes are, where nothing else is said
        print(stacks.compare(args.rounds, processes, data.splits))
    else:
        for table in epochs.compare(args.rounds, data.splits, data.root):
            print(f"{table}\n", flush=True)
