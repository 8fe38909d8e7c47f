"""Types that a skops file may use although skops itself does not vouch for them.

They are state of scikit-learn's own estimators (trees, kernels, losses, distances) and pure functions: making one runs
no code of the file's author. The list is what `skops.io.get_untrusted_types` says of scikit-learn's estimators after
fitting; what is not on it must be named by the operator.
"""

from __future__ import annotations

_DISTANCES = ("Euclidean", "SEuclidean", "Manhattan", "Chebyshev", "Minkowski", "Hamming", "Haversine")
_KERNELS = (
    *("CompoundKernel", "ConstantKernel", "DotProduct", "Exponentiation", "ExpSineSquared", "Matern"),
    *("Product", "RationalQuadratic", "RBF", "Sum", "WhiteKernel"),
)
_LOSSES = (
    *("AbsoluteError", "ExponentialLoss", "HalfBinomialLoss", "HalfGammaLoss", "HalfMultinomialLoss"),
    *("HalfPoissonLoss", "HalfSquaredError", "HalfTweedieLoss", "HalfTweedieLossIdentity", "HuberLoss", "PinballLoss"),
)
_SCORES = ("chi2", "f_classif", "f_regression", "r_regression")

TRUSTED = frozenset(
    (
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS),
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        *(f"sklearn._loss.loss.{name}" for name in _LOSSES),
        *(f"sklearn.metrics._dist_metrics.{name}Distance{bits}" for name in _DISTANCES for bits in ("", "32", "64")),
        *(
            f"sklearn.neighbors.{place}{bits}"
            for place in ("_kd_tree.KDTree", "_ball_tree.BallTree")
            for bits in ("", "32", "64")
        ),
        *(f"sklearn.feature_selection._univariate_selection.{name}" for name in _SCORES),
        *(f"sklearn.neural_network._stochastic_optimizers.{name}Optimizer" for name in ("Adam", "SGD")),
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csr.csr_matrix",
        "scipy.sparse._csr.csr_array",
        "numpy.dtype",
        "numpy.mean",
    )
)
"""Names as `skops.io.get_untrusted_types` gives them."""
