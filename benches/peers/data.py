"""ART and cleanlab over the inputs that benches/data.rs has left in a folder: one part, one line of JSON.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benches/peers/data.py clustering|spectral|labels|neighbours SAMPLES FOLDER
"""
import json
import sys
import time

import numpy as np

NAME, SAMPLES, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def read(kind, columns, stored):
    values = np.fromfile(f"{FOLDER}/{kind}-{SAMPLES}x{columns}.f32", dtype="<f4")
    return values.reshape(SAMPLES, stored)


def activations(d):
    return read("activations", d, d), np.arange(SAMPLES) % 10


def status(field):
    with open("/proc/self/status", encoding="utf-8") as f:
        return next(float(line.split()[1]) / 1024 for line in f if line.startswith(field))


def timed(d, what):
    try:
        # The peak from here on.
        with open("/proc/self/clear_refs", "w", encoding="utf-8") as f:
            f.write("5")
    except OSError:
        pass
    before, start, cpu = status("VmRSS"), time.perf_counter(), time.process_time()
    said = what()
    print(json.dumps({"part": NAME, "samples": SAMPLES, "columns": d, "seconds": time.perf_counter() - start,
                      "cpu": time.process_time() - cpu, "peak_mib": status("VmHWM"), "input_mib": before,
                      "said": str(said)}), flush=True)


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

    x, labels = activations(512)
    y = np.eye(10, dtype=np.float32)[labels]
    defence = ActivationDefence(Recorded(10), x, y)
    timed(512, lambda: "{} not clean".format(sum(
        1 for clean in defence.detect_poison(nb_clusters=2, nb_dims=10, reduce="PCA")[1] if not clean)))


def spectral():
    from art.defences.detector.poison import SpectralSignatureDefense

    x, labels = activations(2048)
    y = np.eye(10, dtype=np.float32)[labels]
    defence = SpectralSignatureDefense(Recorded(10), x, y, expected_pp_poison=0.05, batch_size=128, eps_multiplier=1.5)
    timed(2048, lambda: "{} not clean".format(sum(1 for c in defence.detect_poison()[1] if not c)))


def labels():
    from cleanlab.filter import find_label_issues

    stored = read("probabilities", 100, 101)
    p, given = np.ascontiguousarray(stored[:, :100]), stored[:, 100].astype(int)
    del stored
    timed(100, lambda: f"{find_label_issues(given, p, n_jobs=1).sum()} issues")


def neighbours():
    from cleanlab import Datalab

    x, given = activations(512)

    def run():
        lab = Datalab(data={"label": given}, label_name="label", verbosity=0)
        lab.find_issues(features=x, issue_types={"outlier": {}, "near_duplicate": {}})
        found = lab.get_issues()
        return f"{found['is_outlier_issue'].sum()} outliers, {found['is_near_duplicate_issue'].sum()} near-duplicates"

    timed(512, run)


{"clustering": clustering, "spectral": spectral, "labels": labels, "neighbours": neighbours}[NAME]()
