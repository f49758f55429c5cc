"""ART and cleanlab on the same kind of data as benches/data.rs, one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benches/peers/data.py [SCALE] [clustering spectral labels neighbours]
"""
import resource
import sys
import time

import numpy as np

ARGS = sys.argv[1:]
SCALE = next((int(a) for a in ARGS if a.isdigit()), 1)
NAMES = [a for a in ARGS if not a.isdigit()]


def wanted(name):
    return not NAMES or name in NAMES


def activations(n, d):
    rng = np.random.default_rng(0)
    means = rng.standard_normal((10, d), dtype=np.float32)
    labels = np.arange(n) % 10
    values = means[labels] + rng.standard_normal((n, d), dtype=np.float32)
    planted = (labels == 7) & (np.arange(n) % 500 == 7)
    values[planted, :8] += 6
    return values, labels


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def timed(name, what):
    before, start, cpu = peak(), time.perf_counter(), time.process_time()
    said = what()
    print(f"{name}: {time.perf_counter() - start:.2f} s, {time.process_time() - cpu:.2f} s of CPU, "
          f"peak {peak()} MB (input {before} MB), {said}", flush=True)


class Recorded:
    """A classifier whose only layer returns what it is given, so that a defence is timed and no network."""

    def __new__(cls, classes):
        from art.estimators.classification import BlackBoxClassifierNeuralNetwork

        class Box(BlackBoxClassifierNeuralNetwork):
            layer_names = ["recorded"]

            def get_activations(self, x, layer, batch_size=128, framework=False):
                return np.asarray(x)

        return Box(lambda x: np.eye(classes)[np.zeros(len(x), int)], (1,), classes)


def clustering():
    from art.defences.detector.poison import ActivationDefence

    x, labels = activations(50_000 // SCALE, 512)
    y = np.eye(10, dtype=np.float32)[labels]
    defence = ActivationDefence(Recorded(10), x, y)
    timed("ART activation clustering 50k x 512", lambda: sum(
        1 for clean in defence.detect_poison(nb_clusters=2, nb_dims=10, reduce="PCA")[1] if not clean))


def spectral():
    from art.defences.detector.poison import SpectralSignatureDefense

    x, labels = activations(50_000 // SCALE, 2048)
    y = np.eye(10, dtype=np.float32)[labels]
    defence = SpectralSignatureDefense(Recorded(10), x, y, expected_pp_poison=0.05, batch_size=128, eps_multiplier=1.5)
    timed("ART spectral signatures 50k x 2048", lambda: sum(1 for c in defence.detect_poison()[1] if not c))


def labels():
    from cleanlab.filter import find_label_issues

    rng = np.random.default_rng(0)
    n, k = 1_000_000 // SCALE, 100
    shows = rng.integers(0, k, n)
    p = np.exp(rng.standard_normal((n, k), dtype=np.float32))
    p[np.arange(n), shows] *= np.exp(3) * k / 10
    p /= p.sum(axis=1, keepdims=True)
    given = np.where(rng.random(n) < 0.04, rng.integers(0, k, n), shows)
    timed("cleanlab label issues 1M x 100", lambda: f"{find_label_issues(given, p, n_jobs=1).sum()} issues")


def neighbours():
    from cleanlab import Datalab

    x, given = activations(50_000 // SCALE, 512)

    def run():
        lab = Datalab(data={"label": given}, label_name="label", verbosity=0)
        lab.find_issues(features=x, issue_types={"outlier": {}, "near_duplicate": {}})
        found = lab.get_issues()
        return f"{found['is_outlier_issue'].sum()} outliers, {found['is_near_duplicate_issue'].sum()} near-duplicates"

    timed("Datalab outliers and near-duplicates 50k x 512", run)


for step in (clustering, spectral, labels, neighbours):
    if wanted(step.__name__):
        step()
