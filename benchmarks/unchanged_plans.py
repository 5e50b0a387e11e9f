"""The small plans of ``unchanged.py``: together they use every kind of data and every member of the groups.

Words only, as on the command line, so that they outlive a move of modules. ``@out`` is the folder of the record.
"""

from __future__ import annotations

COMMON = (
    *("seed=0", "engine.device=cpu", "engine.threads=1", "engine.workers=0"),
    *("backbone.pretrained=false", "train.epochs=1", "rounds=2"),
)
MEMORY = "engine.store=memory"
CNN = ("backbone=timm", "backbone.name=test_efficientnet", "data.image_size=32")
VIT = ("backbone=timm", "backbone.name=test_vit", "data.image_size=32")
HOSPITALS = ("data.sites=3", "data.cases=48", "data.size=64", "train.lr=0.1", "train.batch_size=8")
PHANTOM = (*CNN, *HOSPITALS, MEMORY)
EIGHT = (*PHANTOM, "data.sites=8", "partition=iid", "partition.sites=8")  # so many are trained together
DENSE = ("head=mlp", "train=adamw", "train.lr=0.01")  # sums in another order show in its bits
PHANTOM_VIT = (*VIT, *HOSPITALS, MEMORY)
FREE = "backbone.freeze=blocks.2"
FILMS = ("data=nih_cxr1000", *CNN, "partition.sites=3", MEMORY)
MNIST = ("data=pneumoniamnist", *CNN, "train.lr=0.1", MEMORY)
RARE = (
    *("data=pneumoniamnist", *CNN, "data.normals=388", "partition=quantity", "partition.sites=4"),
    *("data.test=sites", "data.test_fraction=0.2", "loss.weights=none", "train.lr=0.1", MEMORY),
)
SKEWED = (
    *("data=busi", *CNN, "partition=dirichlet", "partition.alpha=0.1", "partition.sites=4"),
    *("loss.weights=local", "train.lr=0.1", MEMORY),
)
TABLE = ("rounds=3", MEMORY)

Words = tuple[str, ...]

IMAGES: dict[str, Words] = {
    "phantom": (*CNN, *HOSPITALS, "engine.workers=1"),
    "together": (*EIGHT, *DENSE),
    "one-by-one": (*EIGHT, *DENSE, "engine.together=false"),
    "phantom-ray": (*CNN, *HOSPITALS, "engine=ray", "engine.workers=1"),
    "phantom-pretrained": (
        *("backbone.pretrained=true", "backbone.keep_as=float16", "data.image_size=64", *HOSPITALS, MEMORY),
    ),
    "phantom-volume": (*PHANTOM, "dicom=volume", "partition=iid", "partition.sites=3"),
    "busi": ("data=busi", *CNN, "partition.sites=3", "select=best", "rounds=3", "train.lr=0.5", MEMORY),
    "pneumoniamnist": (*MNIST, "partition.sites=4", "strategy.fraction=0.5"),
    "pneumoniamnist-thinned": (*MNIST, "partition=thinned", "partition.sites=4", "partition.rare_sites=2"),
    "nih_cxr1000": (*FILMS, "head=plain", "train=adamw"),
    "nih_cxr1000_findings": (
        *("data=nih_cxr1000_findings", *CNN, "partition.sites=3", "loss.weights=global", "loss.scheme=square_root"),
        *("train.lr=0.1", MEMORY),
    ),
    "mixup": (*EIGHT, "augment=mild", "augment.mixup=0.4"),
    "cutmix": (*PHANTOM, FREE, "augment=histology", "augment.views=3", "augment.cutmix=1.0"),
    "augment-radiograph": (*PHANTOM, "augment=radiograph", "augment.erase=0.1", "augment.views=3"),
    "histogram": (*PHANTOM, "harmonise=histogram"),
    "fourier": (*PHANTOM, "harmonise=fourier", "harmonise.band=0.1"),
}
LAYERS: dict[str, Words] = {
    "fedbn": (*PHANTOM, "adaptation=fedbn"),
    "silobn-adabn": (*PHANTOM, "adaptation=silobn", "hold_out=[birch]", "adapt=adabn"),
    "ssf": (*PHANTOM, "adaptation=ssf", "adaptation.batch_norm=fedbn"),
    "ssf-local": (*PHANTOM, "adaptation=ssf", "adaptation.role=local", "train.momentum=0.9"),
    "lora": (*PHANTOM_VIT, "adaptation=lora"),
    "lora-convolutions": (*PHANTOM, "adaptation=lora", "adaptation.batch_norm=silobn"),
    "residual": (*PHANTOM, "adaptation=residual"),
    "bottleneck": (*PHANTOM_VIT, "adaptation=bottleneck", "adaptation.role=local"),
    "adaptformer": (*PHANTOM_VIT, "adaptation=adaptformer"),
    "whole": (*PHANTOM, FREE, "engine.keep=false", "engine.store=disk", "engine.together=false"),
    "unfreeze": (
        *(*PHANTOM, "backbone.freeze=blocks.1", "backbone.batch_norm=train", "rounds=4"),
        *("train.unfreeze=1", "train.layer_decay=0.5"),
    ),
    "vit-stages": (*PHANTOM_VIT, "backbone.freeze=blocks.2", "train=adamw"),
}
DIFFERENCES: dict[str, Words] = {
    "coral": (*PHANTOM, FREE, "alignment=coral", "rounds=3"),
    "mmd-per-class": (*PHANTOM, FREE, "alignment=mmd", "alignment.per_class=true", "rounds=3", "data.cases=60"),
    "scanners": (*FILMS, FREE, "alignment=mmd", "alignment.column=view"),
    "adversarial": (*PHANTOM, "adaptation=ssf", "alignment=adversarial", "rounds=3"),
    "ditto": (*PHANTOM, "personal=ditto"),
    "ditto-fedbn": (*PHANTOM, "adaptation=fedbn", "personal=ditto"),
    "finetune": (*PHANTOM, "personal=finetune"),
    "fedper": (*PHANTOM, "personal=fedper", "adaptation=ssf"),
    "fedrep": (*PHANTOM, "personal=fedrep", "adaptation=silobn"),
    "hold-out": (*PHANTOM, "hold_out=[alder]"),
    "fedprox": (*PHANTOM, "strategy=fedprox", "head=mlp", "head.hidden=16", "head.dropout=0.2"),
    "fedadam": (*PHANTOM, "strategy=fedadam", "head=cosine"),
    "fedmedian": (*PHANTOM, "strategy=fedmedian", FREE),
    "float16": (*PHANTOM, FREE, "compression=float16"),
    "int8": (*PHANTOM, FREE, "compression=int8"),
    "topk": (*PHANTOM, "adaptation=ssf", "compression=topk", "compression.down=int8"),
    "changed": (*PHANTOM, "adaptation=ssf", "compression=changed"),
    "clock": (
        *(*PHANTOM, "clock=clinics", "rounds=4", "clock.default.availability=0.8"),
        *("clock.case_seconds.keep=0.01", "clock.case_seconds.train=0.001", "clock.case_seconds.evaluate=0.001"),
    ),
}
CLASSES: dict[str, Words] = {
    "focal": (*RARE, "loss=focal", "loss.weights=local", "loss.scheme=effective", "loss.beta=0.99"),
    "logit-adjusted": (*RARE, "loss=logit_adjusted"),
    "ldam": (*RARE, "loss=ldam", "head=cosine", "head.scale=1", "loss.scale=30"),
    "mask": (*SKEWED, "loss.absent=mask"),
    "distil": (*SKEWED, "loss.absent=distil"),
    "over": (*RARE, "sampling=over"),
    "under": (*RARE, "sampling=under"),
    "balanced": (*RARE, "sampling=balanced"),
    "smote": (*RARE, "sampling=smote"),
    "borderline-smote": (*RARE, "sampling=borderline_smote"),
    "adasyn": (*RARE, "sampling=adasyn"),
    "zeros": (*PHANTOM, "initial=zeros"),
    "prototypes": (*PHANTOM, "initial=prototypes", "initial.interpolate=[0.25,0.5,1.0]", "data.cases=60"),
    "prototypes-cosine": (*PHANTOM, "initial=prototypes", "head=cosine", "data.cases=60"),
    "ridge": (*PHANTOM, "initial=analytic", "data.cases=60", "partition=iid", "partition.sites=3"),
    "embeddings": (
        *PHANTOM,
        "initial=embeddings",
        "initial.file='@out/classes.safetensors'",
        "head=embeddings",
        "head.dims=8",
    ),
}
TABLES: dict[str, Words] = {
    "uci_heart": ("data=uci_heart", *TABLE),
    "uci_heart_all": ("data=uci_heart_all", "backbone=mlp", *TABLE),
    "uci_heart-adaptformer": (
        *("data=uci_heart", "backbone=ft_transformer", "backbone.freeze=all", "backbone.attention_dropout=0"),
        *("backbone.ffn_dropout=0", "adaptation=adaptformer", *TABLE),
    ),
    "uci_heart-transformer": ("data=uci_heart", "backbone=ft_transformer", "strategy=fedavg", "train=adamw", *TABLE),
    "eicu_demo": ("data=eicu_demo", "backbone=resnet_table", "sampling=over", "loss.weights=none", *TABLE),
    "tcga_brca": ("data=tcga_brca", *TABLE),
}
STUDIES: dict[str, Words] = {
    "study": (*PHANTOM, "baselines=[local,pooled]", "seeds=[0,1]"),
    "leave-one-site-out": (*PHANTOM, "adaptation=silobn", "baselines=[leave_one_site_out]", "lrs=[0.1,0.3]"),
    "study-table": ("data=uci_heart", "baselines=[local,pooled,leave_one_site_out]", *TABLE),
}
PLANS: dict[str, Words] = {**IMAGES, **LAYERS, **DIFFERENCES, **CLASSES, **TABLES, **STUDIES}
