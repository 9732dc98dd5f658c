"""What a classifier does on a split: a look each at classes, calibration, robustness."""

from mlp_lab.inspection.embeddings import embed
from mlp_lab.inspection.look import Finding, Look, Seen
from mlp_lab.inspection.looks import looks

__all__ = ["Finding", "Look", "Seen", "embed", "looks"]
