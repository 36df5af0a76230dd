"""Maps: the features of a layer, laid out in the plane or on a grid, with numbers that say what was kept.

``features`` runs data through a net up to a layer; a layout (``PCA``, ``TSNE``, ``UMAP``) is a
scikit-learn transformer; ``assign`` gives every point a cell of a grid; ``summary`` measures. t-SNE and UMAP need
``pip install quickstudy[maps]``, which is looked for when they are fitted.
"""

from quickstudy.maps.features import features, layers
from quickstudy.maps.grid import assign
from quickstudy.maps.pca import PCA
from quickstudy.maps.quality import summary, worded
from quickstudy.maps.tsne import TSNE
from quickstudy.maps.umap import UMAP

__all__ = ["PCA", "TSNE", "UMAP", "assign", "features", "layers", "summary", "worded"]
