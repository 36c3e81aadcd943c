"""From nothing to a verdict: simulate, learn, evaluate beside the truth, plan the experiment."""

import cpz

log = cpz.simulate("tiny", sessions=12_000, seed=7)
model = cpz.train(log, placement="payment", trees=60)
found = cpz.evaluate(log, policy=model, with_truth=True)
print(found.headline)
print(found.to_frame().select("estimator", "value", "low", "high", "truth"))
found.report("evaluation.html")
today, uplift = found.placements["payment"].logging_value.estimate, found.uplift["dr"].estimate
plan = cpz.ab.plan(baseline=today, effect=uplift / today, units_per_day=1_000, days=14)
print(plan)
