"""Is the federation better than each hospital alone? One call runs both with several seeds, and says so in words.

For the real size leave out SMALL and take more seeds; baselines are local, pooled and leave_one_site_out.
On the command line: fedgraft simulate baselines=[local,pooled] seeds=[0,1,2]
"""

import fedgraft as fg

SMALL = {
    "backbone": "timm",
    "backbone__name": "test_efficientnet",
    "backbone__pretrained": False,
    "data": {"image_size": 32, "sites": 2, "cases": 48},
}

plan = fg.plan(rounds=2, **SMALL)
study = fg.study(plan, baselines=["local", "pooled"], seeds=[0, 1], out="runs/study")
print(study.verdict)
print(study.table)
print(f"all of it: {study.out}/study.md, {study.picture}")
