"""All rows of the comparison, by name."""
import clusters
import contrastive
import epochs
import langevin
import rbm
import small
from rows import Mnist  # noqa: F401 (for worker.py)


def rows():
    return {r.name: r for part in (langevin, contrastive, rbm, clusters, epochs, small) for r in part.ROWS}
