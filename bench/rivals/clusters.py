"""Closed-form learning on MNIST: k-means, principal components, a Gaussian mixture. Every side starts at the same rows and gives
the mean energy that it reached, so that speed is not bought with a worse answer."""
from rows import Row

N, D = 60000, 784
KMEANS, PCA, MIXTURE = 256, 64, 64
DATA = "data     y = flatten(images) / 255\n"
KMEANS_MODEL = f"""dim      D, K = {KMEANS}
predict  y : real[D]
latent   z : K
weight   W : real[K, D] init samples(y)
energy   E(y, z) = sq(y - W[z])
minimize z by exhaustive
learn    energy
optimize by exact(rounds=10)
"""
PCA_MODEL = f"""dim      D, K = {PCA}
predict  y : real[D]
latent   z : real[K]
weight   m : real[D]
weight   W : real[K, D] in orthonormal init normal(1)
energy   E(y, z) = sq(y - m - z @ W)
minimize z by exact
learn    energy
optimize by exact
data     y = flatten(images) / 255
"""
MIXTURE_MODEL = f"""dim      D, K = {MIXTURE}
hyper    tiny = 0.001
predict  y : real[D]
latent   z : K
weight   M : real[K, D] init samples(y)
weight   P : real[K, D] in 0.. init 1
weight   w : real[K] in simplex init 1
energy   E(y, z) = 0.5 * sum(d in D: P[z, d] * ((y[d] - M[z, d])^2 + tiny) - log(P[z, d]) + log(2 * 3.14159265358979)) - log(w[z])
marginalize z by exhaustive
learn    energy
optimize by exact(rounds=10)
"""


def kmeans(rival, mnist):
    x = mnist.images()
    start = x[:KMEANS].copy()
    if rival == "faiss":
        import faiss

        def go():
            k = faiss.Kmeans(D, KMEANS, niter=10, max_points_per_centroid=10 ** 9, min_points_per_centroid=1)
            k.train(x, init_centroids=start)
            return lambda: float(k.index.search(x, 1)[0].mean())
        return {"train": go}
    from sklearn.cluster import KMeans

    def fit():
        k = KMeans(KMEANS, init=start, n_init=1, max_iter=10, tol=0, algorithm="lloyd").fit(x)
        return lambda: k.inertia_ / len(x)
    return {"lloyd": fit}


def residual(x, rows, mean):
    y = x - mean
    return float(((y - (y @ rows.T) @ rows) ** 2).sum(1).mean())


# In nrg's model the mean is not taken away, so it is not here either: the work is then the same for the same residual.
def pca(rival, mnist):
    import numpy as np
    x = mnist.images()
    x -= x.mean(0)
    if rival == "numpy":
        def go():
            values, vectors = np.linalg.eigh(x.T @ x)
            return lambda: residual(x, vectors[:, -PCA:].T, 0)
        return {"covariance, eigh": go}
    from sklearn.decomposition import PCA as Sk

    def fit():
        p = Sk(PCA, svd_solver="randomized", random_state=0).fit(x)
        return lambda: residual(x, p.components_, p.mean_)
    return {"randomized": fit}


def mixture(rival, mnist):
    import warnings
    from sklearn.mixture import GaussianMixture
    warnings.filterwarnings("ignore")
    x = mnist.images("test")

    def fit():
        m = GaussianMixture(MIXTURE, covariance_type="diag", max_iter=10, tol=0, reg_covar=1e-3, means_init=x[:MIXTURE],
                            init_params="random_from_data", random_state=0).fit(x)
        return lambda: -float(m.score(x))
    return {"diagonal": fit}


IMAGES = ["data=images={images}", "energy"]
ROWS = [Row("kmeans", "k-means, 256 means, 10 rounds, MNIST, mean squared distance", "train", KMEANS_MODEL + DATA, IMAGES + ["start=W:y"],
            {"faiss": 1.7, "scikit-learn": 1.7}, kmeans, flops=10 * 2.0 * N * D * KMEANS, bytes=10.0 * N * D),
        Row("pca", "PCA, 64 components, MNIST, mean squared residual", "train", PCA_MODEL, IMAGES,
            {"scikit-learn": 4, "numpy": 1}, pca, flops=1.0 * N * D * D, bytes=1.0 * N * D),
        Row("mixture", "Gaussian mixture, 64 diagonal, 10 rounds, MNIST's test images, mean -log p", "train", MIXTURE_MODEL + DATA,
            ["data=images={test}", "energy", "start=M:y"],
            {"scikit-learn": 10}, mixture, flops=10 * 8.0 * N / 6 * D * MIXTURE, bytes=10.0 * N / 6 * D)]
