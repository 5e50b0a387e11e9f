"""The code of an exception: what the machine lacked, or what our own error is about."""

import errno

import pytest

from fedgraft.common.causes import CAUSES, CAUSES_HERE, what_to_do, what_to_do_here
from fedgraft.common.errors import BackboneError, DataError, FedGraftError, WireError, code_of, known_codes, safe_reason


def behind(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk-full"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only"),
        (PermissionError(errno.EACCES, "Permission denied"), "read-only"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "unexpected"),
        (MemoryError(), "out-of-memory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
            "out-of-memory",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out-of-memory"),
        (Exception("I/O error: No space left on device (os error 28)"), "disk-full"),  # safetensors
        (ZeroDivisionError("mueller"), "unexpected"),
        (behind(BackboneError("x"), OSError(errno.ENOSPC, "full")), "disk-full"),
        (behind(DataError("x"), PermissionError(errno.EACCES, "Permission denied")), "data-unusable"),
        (behind(ValueError("x"), behind(TypeError("y"), MemoryError())), "out-of-memory"),
        (WireError("x"), "wire"),
    ],
)
def test_the_code_of_an_error(error: BaseException, code: str) -> None:
    assert code_of(error) == code
    assert safe_reason(f"fedgraft:{code}") == f"fedgraft:{code}"
    assert what_to_do(code)


def test_a_memory_error_of_torch_itself() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert code_of(caught.value) == "out-of-memory"


def test_an_error_that_stands_in_its_own_chain() -> None:
    one, other = ValueError("x"), TypeError("y")
    one.__cause__, other.__cause__ = other, one
    assert code_of(one) == "unexpected"


def test_every_cause_may_leave_a_site_and_one_without_a_line_says_where_to_look() -> None:
    assert set(CAUSES) <= known_codes()
    assert "errors.jsonl" in what_to_do(FedGraftError.code) and "errors.jsonl" in what_to_do_here(FedGraftError.code)


def test_at_the_site_itself_nobody_is_told_to_ask_there() -> None:
    """Each text that speaks of the site as of another place reads otherwise at the site."""
    assert set(CAUSES_HERE) <= set(CAUSES)
    here = {code: what_to_do_here(code) for code in CAUSES}
    theirs = (" at the site", "there)", "` there", "ask them")
    assert [code for code, text in here.items() if any(words in text for words in theirs)] == []
    assert here["disk-full"] == CAUSES["disk-full"]
