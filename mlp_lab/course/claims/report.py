"""Claims as tables and figures, on the terminal, on disk and in TensorBoard."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from mlp_lab.course.claims.claim import Claim
from mlp_lab.course.claims.topics import check
from mlp_lab.formatting import markdown, table
from mlp_lab.storage.files import write_png, write_whole
from mlp_lab.storage.tensorboard import write_event_file


def report(topics: Sequence[str], folder: Path) -> bool:
    """Check the claims of ``topics``, print a table of each topic; return whether all claims hold.

    The tables go to ``claims.md`` in ``folder``, the figures to ``figures/*.png``, both to
    TensorBoard's event file.
    """
    checked: list[Claim] = []
    parts = []
    for topic in topics:
        claims = check(topic)
        cells = [[c.text, c.expected, c.measured, "yes" if c.holds else "NO"] for c in claims]
        print(f"{table([topic, 'expected', 'measured', 'holds'], cells)}\n", flush=True)
        rows = [[*row, claim.source] for row, claim in zip(cells, claims, strict=True)]
        sourced = markdown(["claim", "expected", "measured", "holds", "source"], rows)
        parts.append(f"## {topic}\n\n{sourced}\n")
        checked += claims
    text = "\n".join(parts)
    write_whole(folder / "claims.md", text.encode())
    write_event_file(folder, text, _save_figures(checked, folder / "figures"))
    print(f"written: {folder / 'claims.md'}, {folder / 'figures'}")
    return all(claim.holds for claim in checked)


def _save_figures(claims: Iterable[Claim], folder: Path) -> dict[str, bytes]:
    """Write all figures; return the pictures by name."""
    return {
        name: write_png(folder / f"{name}.png", figure)
        for claim in claims
        for name, figure in claim.figures.items()
    }
