"""A first run: two phantom hospitals train a model together, in seconds.

For the real size leave out SMALL: an EfficientNet with pretrained weights, four hospitals of 120 films.
On the command line: fedgraft simulate data.sites=2 rounds=5
"""

import fedgraft as fg

SMALL = {
    "backbone": "timm",
    "backbone__name": "test_efficientnet",
    "backbone__pretrained": False,
    "data": {"image_size": 32, "cases": 48},
}

plan = fg.plan("data.sites=2", rounds=5, **SMALL)
print(plan.describe())  # what would be trained and sent, and what leaves a hospital

run = fg.simulate(plan, out="runs/first_run")
print(run)
for site, figures in run.summary["sites"].items():
    print(f"{site}: AUROC {figures['auroc']} over {figures['cases']} test cases")
print(f"the rounds as a picture: {run.picture}")
