"""Online forecasts and anomaly scores of river for bench/online-peers.ts: JSON on standard input, JSON on standard output."""

import json
import sys
import time
from math import isfinite

from river import anomaly, linear_model, preprocessing, time_series

task = json.load(sys.stdin)
horizon, stride, first, season = task["horizon"], task["stride"], task["from"], task["season"]
models = {
    "HoltWinters": lambda: time_series.HoltWinters(
        alpha=0.3, beta=0.1, gamma=0.6, seasonality=season, multiplicative=False
    ),
    "SNARIMAX": lambda: time_series.SNARIMAX(
        p=3, d=0, q=0, m=season, sp=3, sq=6, regressor=preprocessing.StandardScaler() | linear_model.LinearRegression()
    ),
}


def replay(create, values, forecasting):
    """Forecasts at the origins; from where a model fails on, the last value stands in. Also whether it failed."""
    model, failed, origins, last = create(), False, [], 0.0
    for step, value in enumerate(values):
        if forecasting and step >= first and (step - first) % stride == 0 and step + horizon <= len(values):
            try:
                ahead = [last] * horizon if failed else model.forecast(horizon)
            except ArithmeticError:
                failed, ahead = True, [last] * horizon
            origins.append([one if isfinite(one) else last for one in ahead])
        try:
            if not failed:
                model.learn_one(value)
        except ArithmeticError:
            failed = True
        last = value
    return origins, failed


forecasts = []
for name, create in models.items():
    before = time.process_time()
    for values in task["series"]:
        replay(create, values, False)
    updating = time.process_time() - before
    before = time.process_time()
    found = [replay(create, values, True) for values in task["series"]]
    both = time.process_time() - before
    failures = sum(failed for _, failed in found)
    forecasts.append(
        {
            "name": f"river {name}" + (f" ({failures} series failed: last value)" if failures else ""),
            "series": [origins for origins, _ in found],
            "updateSeconds": updating,
            "withForecastSeconds": both,
        }
    )

rows = task["rows"]
trees = anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=1, limits={"x": (0, 120)})
before = time.process_time()
for value in rows:
    trees.score_one({"x": value})
    trees.learn_one({"x": value})
scoring = time.process_time() - before
json.dump({"forecasts": forecasts, "scoreSeconds": scoring, "scored": len(rows)}, sys.stdout)
