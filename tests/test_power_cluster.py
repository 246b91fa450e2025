"""The same counts from one core, two, and a cluster that loses a worker."""

import os
import signal

import pandas as pd
import pytest

import mixedteach as mt
from mixedteach.power import simulation

ALONG = {"g": [6, 12]}
TESTS = ["f", "(1|g)"]
OPTIONS = {"replicates": 200, "seed": 3, "method": "simulation"}


OTHERS = {"variance": mt.UnequalVariances("f"), "residual": {"sd ratio b/a": 2, "sd ratio c/a": 1}}


@pytest.fixture(scope="module", params=[{}, OTHERS], ids=["equal variances", "unequal variances"])
def model(request):
    return mt.planned(
        "y ~ f + (1|g)", mt.crossed(g=12, f=["a", "b", "c"], r=2),
        fixed={"f[b]": 0.15, "f[c]": 0.2}, sd={"g": 0.2, "Residual": 0.2}, **request.param,
    )  # fmt: skip


@pytest.fixture(scope="module")
def serial(model):
    return mt.power_curve(model, TESTS, ALONG, **OPTIONS)


def test_two_cores_count_as_one(model, serial):
    table = mt.power_curve(model, TESTS, ALONG, n_jobs=2, **OPTIONS)
    pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(serial))


def test_a_cluster_that_loses_a_worker_loses_nothing(model, serial, monkeypatch):
    if not os.environ.get("MIXEDTEACH_NEED_ALL"):
        pytest.importorskip("distributed")
    import distributed
    from joblib import parallel_config

    killed = []
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = sorted(client.run(os.getpid).values())
        watched = simulation._watched

        def kill_one(counts, bar):
            for number, found in enumerate(watched(counts, bar)):
                if number == 2:  # two of sixteen chunks are back, others under way
                    os.kill(workers[0], signal.SIGKILL)
                    killed.append(workers[0])
                yield found

        monkeypatch.setattr(simulation, "_watched", kill_one)
        with parallel_config(backend="dask"):
            table = mt.power_curve(model, TESTS, ALONG, **OPTIONS)
    assert killed
    pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(serial))
