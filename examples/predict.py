"""A model that is ready to predict, in ten lines; it knows its own input. Leave out SMALL for the real size."""

import fedgraft as fg

SMALL = {"backbone": "timm", "backbone__name": "test_efficientnet", "backbone__pretrained": False}
plan = fg.plan("data.sites=2", "data.cases=48", "data.image_size=32", rounds=2, **SMALL)
run = fg.simulate(plan, out="runs/predict", quiet=True)
model = fg.Run("runs/predict").model()  # also another day, from the folder alone
lines = (run.out / "sites" / "alder" / "manifest.csv").read_text().splitlines()[1:4]
films = [line.split(",")[0] for line in lines]  # DICOM files; PNG, arrays and PIL images do as well
for film, chances in zip(films, model(model.prepare(films)).softmax(1).tolist(), strict=True):
    print(film.rpartition("/")[2], dict(zip(model.classes, chances, strict=True)))
