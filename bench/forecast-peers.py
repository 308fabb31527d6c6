"""Forecasts of statsforecast for bench/forecast-peers.ts: JSON on standard input, JSON on standard output."""

import json
import sys
import time

import numpy as np
from statsforecast.models import MSTL, AutoETS, DynamicOptimizedTheta, SeasonalNaive

task = json.load(sys.stdin)
day = min(task["seasons"])
models = {
    "SeasonalNaive": lambda: SeasonalNaive(season_length=day),
    "MSTL": lambda: MSTL(season_length=task["seasons"], trend_forecaster=AutoETS(model="ZZN")),
    "AutoETS": lambda: AutoETS(season_length=day),
    "DynamicOptimizedTheta": lambda: DynamicOptimizedTheta(season_length=day),
}
results = []
for name, create in models.items():
    forecasts = []
    before = time.process_time()
    for values in task["past"]:
        found = create().forecast(y=np.array(values, dtype=float), h=task["horizon"], level=[95])
        forecasts.append({"mean": list(found["mean"]), "lower": list(found["lo-95"]), "upper": list(found["hi-95"])})
    spent = time.process_time() - before
    results.append({"name": f"statsforecast {name}", "forecasts": forecasts, "cpuMicroseconds": 1e6 * spent})
json.dump(results, sys.stdout)
