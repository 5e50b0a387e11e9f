"""What a site computes on, chosen or named."""

from __future__ import annotations

import os

import pytest
import torch

from fedgraft.client.site.machine import choose, cores
from fedgraft.common.errors import SiteFileError


def test_every_core_that_may_be_used_is_used() -> None:
    assert choose("cpu", None).threads == cores() == len(os.sched_getaffinity(0))
    assert choose("cpu", 1).threads == 1


def test_auto_takes_a_gpu_if_there_is_one() -> None:
    assert choose("auto", 1).device.type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("device", ["toaster", "cuda:77"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(SiteFileError, match=rf"device: {device} can't be used here \(.*\); use auto or cpu"):
        choose(device, 1)


def test_what_is_named_is_taken() -> None:
    machine = choose("cpu", 3, workers=0, batch=17)
    assert (machine.threads, machine.workers, machine.batch) == (3, 0, 17)
