"""Report of the claims: tables and figures on the terminal, on disk and in TensorBoard."""

from collections.abc import Sequence
from pathlib import Path

from mlp_lab.course.claims.claim import Claim
from mlp_lab.course.claims.topics import check_topic
from mlp_lab.figures.rendering import save_figures
from mlp_lab.formatting import markdown, table
from mlp_lab.storage.files import figure_writer, write_whole
from mlp_lab.storage.tensorboard import write_event_file


def report(topics: Sequence[str], folder: Path, figure_format: str = "png") -> bool:
    """Check the claims of ``topics``, print one table per topic and write the report.

    The tables are written to ``claims.md``, the figures to ``figures/*`` and both to a
    TensorBoard event file.

    Args:
        topics: names of the topics.
        folder: folder of the report.
        figure_format: format of the figures' files: ``png``, ``pdf`` or ``svg``.

    Returns:
        Whether all claims hold.
    """
    all_claims: list[Claim] = []
    sections = []
    for topic in topics:
        claims = check_topic(topic)
        cells = [[c.text, c.expected, c.measured, "yes" if c.holds else "NO"] for c in claims]
        print(f"{table([topic, 'expected', 'measured', 'holds'], cells)}\n", flush=True)
        rows = [[*row, claim.source] for row, claim in zip(cells, claims, strict=True)]
        with_sources = markdown(["claim", "expected", "measured", "holds", "source"], rows)
        sections.append(f"## {topic}\n\n{with_sources}\n")
        all_claims += claims
    text = "\n".join(sections)
    write_whole(folder / "claims.md", text.encode())
    drawings = {name: draw for claim in all_claims for name, draw in claim.figures.items()}
    figures = save_figures(drawings, figure_writer(folder / "figures"), figure_format)
    write_event_file(folder, text, figures)
    print(f"written: {folder / 'claims.md'}, {folder / 'figures'}")
    return all(claim.holds for claim in all_claims)
