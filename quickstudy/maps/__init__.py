"""Maps: the features of a layer, laid out in the plane or on a grid, with numbers that say what was kept.

``features`` runs data through a net up to a layer. Layouts are scikit-learn transformers: ``PCA``, ``TSNE``, ``UMAP``;
``ParametricTSNE`` and ``ParametricUMAP``, which are nets; ``Tailored``, a net with the plane in its middle. ``load``
reads a saved one. ``assign`` gives every point a cell of a grid; ``summary`` measures. t-SNE and UMAP need
``pip install quickstudy[maps]``, which is looked for when they are fitted.
"""

from quickstudy.maps.features import features, layers
from quickstudy.maps.grid import assign
from quickstudy.maps.layouts import LAYOUTS, load
from quickstudy.maps.parametric import ParametricTSNE, ParametricUMAP
from quickstudy.maps.pca import PCA
from quickstudy.maps.quality import summary, worded
from quickstudy.maps.tailored import Tailored
from quickstudy.maps.tsne import TSNE
from quickstudy.maps.umap import UMAP

__all__ = [
    "LAYOUTS",
    "PCA",
    "TSNE",
    "UMAP",
    "ParametricTSNE",
    "ParametricUMAP",
    "Tailored",
    "assign",
    "features",
    "layers",
    "load",
    "summary",
    "worded",
]
