"""Program of the process that evaluates positions with the package gnubg-nn.

The package has the GNU General Public License. Only this program imports it. It runs in a separate
process and exchanges arrays with `gnubg_process`. It ends when its standard input is closed, which
happens at the latest when the process that started it ends.

Messages, in the byte order of the machine:

- At the start, the program writes one line: ``READY``, or the reason why the import failed.
- A request is one byte (the kind), the number of boards as uint32, and the boards, int8
  ``[boards, 2, 25]``.
- The answer is float32 ``[boards, outputs of this kind]``.
"""

import os
import signal
import sys

import numpy as np

READY = "ready"
PROBABILITIES, PUBEVAL = b"p", b"s"  # kinds of requests
OUTPUTS = {PROBABILITIES: 5, PUBEVAL: 1}  # numbers in the answer for each board
COUNT_BYTES = 4

_BOARD_BYTES = 50
_PLIES = 0  # the network's evaluation of the position itself


def main() -> None:
    """Answer requests until the standard input is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C: the other process closes the input
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # text that the package may print is not part of the answers
    try:
        import gnubg_nn
    except ImportError as error:
        answers.write(str(error).replace("\n", " ").encode() + b"\n")
        return
    answers.write(f"{READY}\n".encode())
    evaluations = {
        PROBABILITIES: lambda board: gnubg_nn.probabilities(board, _PLIES),
        PUBEVAL: gnubg_nn.pub_eval_score,
    }
    while kind := requests.read(1):
        count = int.from_bytes(requests.read(COUNT_BYTES), sys.byteorder)
        boards = np.frombuffer(requests.read(count * _BOARD_BYTES), np.int8).reshape(-1, 2, 25)
        results = [evaluations[kind](board) for board in boards.tolist()]
        answers.write(np.array(results, np.float32).tobytes())


if __name__ == "__main__":
    main()
