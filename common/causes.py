"""Why a message failed at a site, as a code, and what to do about it.

The code is all that leaves the site. The coordinator's ledger and the site's terminal say it with what to do.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

UNEXPECTED = "unexpected"
UNAPPROVED = "unapproved"
DISK_FULL, READ_ONLY, OUT_OF_MEMORY = "disk-full", "read-only", "out-of-memory"
KILLED, PROCESS_ENDED, NODE_LOST = "killed", "process-ended", "node-lost"

CAUSES = {
    "disk-full": "free space on the disk of the site's state folder; the next message goes on from there",
    "read-only": "the site's account can't write to its state folder, or can't read a case: look at the owner of the "
    "folder and at how the disk is mounted",
    "out-of-memory": "give the site more memory, or set a smaller `batch` (or `workers: 1`) in its site.yaml",
    "killed": "somebody or something killed the process of this message at the site (signal 9); it is asked again with "
    "the next message",
    "process-ended": "the process of this message ended before it answered, or the site was started again; it is asked "
    "again with the next message; the site's state/logs say more",
    "node-lost": "the machine that computed for the site in a simulation on Ray was lost; the site goes on at another, "
    "and is asked again",
    "data-unusable": "at the site, `fedgraft site check` says which cases or columns, and what to do",
    "case-lost": "cases that took part in this run can't be read at the site any more; bring them back (`fedgraft site "
    "check` says which), and it goes on. A new run goes without them",
    "few-differ": "beside what the site has told before, the answer would tell of fewer patients than its "
    "`release.min_count` (docs/trust.md); it answers again what it has answered, and when more patients have come",
    "missing-texts": "the plan's `table.missing` has texts that the site's site.yaml does not list under `missing`; a "
    "text that is a value would tell how many patients have it",
    "wrong-kind": "the plan is for another kind of data (images or tables) than the site has",
    "version": "install the same version of fedgraft at the site as at the coordinator, and start the site again",
    "site-file": "the site's site.yaml is wrong, or forbids what the plan needs: `fedgraft site check` at the site",
    "backbone": "the pretrained network did not arrive whole, or does not fit the plan; it is sent again with the next "
    "message",
    "wire": "a message was not what the plan says; mostly another version of fedgraft at the site",
    "checkpoint": "the coordinator went back by more rounds than this site keeps; it is asked again in the next round",
    "diverged": "training went to numbers that are not finite: a smaller `train.lr`, or look at the site's cases",
    "plan-invalid": "the site can't carry out the plan; its errors.jsonl says where; mostly another fedgraft version",
    "bounds": "the plan, or a message, asks for more than `bounds` in the site's site.yaml allows; state/errors.jsonl "
    "at the site names each option, its value and the bound, as `fedgraft site check --plan` does before a run",
    "asked-before": "the site has answered this round with other content, or this run with another plan; it takes "
    "part in the next round",
    "few-patients": "the site has fewer training patients than release.min_count in its site.yaml: it evaluates the "
    "final model, and sends no update and no loss",
    "role": "the site's site.yaml has another role than `train`: as `evaluate` it evaluates the final model, and sends "
    "nothing that rests on training cases; as `predict` it takes part in no run",
    "few-cases": "what the site would have sent rests on fewer patients than release.min_count in its site.yaml, "
    "though it has more: nothing was sent",
    "privacy": "the site's site.yaml has a `privacy` budget, and the plan has no differential privacy "
    "(privacy=record); or the message asks for what a private plan leaves out",
    "privacy-spent": "the `privacy` budget in the site's site.yaml does not suffice for this run, or the run has asked "
    "for all that it was charged with; `fedgraft site privacy` at the site says how much is left",
    UNAPPROVED: "the plan waits for a person at the site: `fedgraft site pending`, `review` and `approve` there; it "
    "is asked again as soon as it is approved",
    "plan-refused": "a person at the site has refused the plan or revoked its approval, or site.yaml lists approved "
    "plans and this one is not among them: ask them why (`fedgraft site decisions` there)",
    "fence": "the site refuses what could show single patients; its state/errors.jsonl says what",
    "secure": "a step of secure aggregation that the site refuses, or has no keys for (it was started anew, or the "
    "step was asked twice); keys are made anew with the next sum. Its state/errors.jsonl says which",
    "secure-range": "a number of the site is too large for the words of the secure sum: a larger `aggregation.range` "
    "in the plan, or look at the site's cases",
    "secure-few": "the sum would be over fewer sites than `secure.at_least` in the site's site.yaml, or than its "
    "threshold",
    "secure-unknown": "the site was told of another site whose key is not in `secure.known` in its site.yaml, or not "
    "signed by it",
    "secure-withheld": "the site's own rules (`release` in its site.yaml: what it forbids, or too few patients) "
    "withhold what is summed; it has no part in this sum",
    UNEXPECTED: "an error that nobody foresaw: state/errors.jsonl at the site says where, without the text",
}
"""What to do, by code. Codes without a line here say what they mean at the site only."""

CAUSES_HERE = {
    "data-unusable": "`fedgraft site check` says which cases or columns, and what to do",
    "case-lost": "cases that took part in this run can't be read any more; bring them back (`fedgraft site check` says "
    "which), and it goes on. A new run goes without them",
    "killed": "somebody or something killed the process of this message (signal 9); it is asked again with the next "
    "message",
    "missing-texts": "the plan's `table.missing` has texts that site.yaml does not list under `missing`; list those "
    "that stand for no value here. A text that is a value would tell how many patients have it",
    "wrong-kind": "the plan is for another kind of data (images or tables) than this site has: tell the coordinator",
    "version": "this site and the coordinator have different versions of fedgraft: install the coordinator's here, and "
    "start the site again",
    "site-file": "site.yaml is wrong, or forbids what the plan needs: `fedgraft site check` says which",
    "wire": "a message was not what the plan says; mostly another version of fedgraft here than at the coordinator",
    "diverged": "training went to numbers that are not finite: look at the cases here (`fedgraft site check`), and "
    "tell the coordinator, who can set a smaller `train.lr`",
    "plan-invalid": "this site can't carry out the plan; state/errors.jsonl says where; mostly another version of "
    "fedgraft than the coordinator's",
    "bounds": "the plan, or a message, asks for more than `bounds` in site.yaml allows; state/errors.jsonl names each "
    "option, its value and the bound. The coordinator learns the word `bounds` only: tell them, or change the bound "
    "(`fedgraft site review` names the line)",
    "privacy-spent": "the `privacy` budget in site.yaml does not suffice for this run, or the run has asked for all "
    "that it was charged with; `fedgraft site privacy` says how much is left",
    UNAPPROVED: "the plan waits for a person here: `fedgraft site pending`, `review` and `approve`; the coordinator "
    "asks again as soon as it is approved",
    "plan-refused": "a person here has refused the plan or revoked its approval (`fedgraft site decisions` says who), "
    "or site.yaml lists approved plans and this one is not among them; the coordinator learns that, not why",
    "secure-range": "a number of this site is too large for the words of the secure sum: look at the cases here, and "
    "tell the coordinator, who can set a larger `aggregation.range`",
    UNEXPECTED: "an error that nobody foresaw: state/errors.jsonl says where, without the text",
}
"""The same at the site's own terminal and pages, where it reads otherwise there."""
_REPORTED = re.compile(r"the site reported `([a-z-]+)`:")

_BY_NUMBER = {errno.ENOSPC: DISK_FULL, errno.EDQUOT: DISK_FULL, errno.EROFS: READ_ONLY, errno.ENOMEM: OUT_OF_MEMORY}
_BY_NUMBER_UNLESS_OURS = {errno.EACCES: READ_ONLY, errno.EPERM: READ_ONLY}
_BY_WORDS = {
    "No space left on device": DISK_FULL,  # safetensors (Rust) and HDF5 give the system's words, but no number
    "database or disk is full": DISK_FULL,  # SQLite
    "Read-only file system": READ_ONLY,
    "can't allocate memory": OUT_OF_MEMORY,  # torch on a CPU
    "out of memory": OUT_OF_MEMORY,  # torch on a GPU
}


def machine_cause(error: BaseException, unforeseen: bool) -> str | None:
    """The code of what the machine lacked, if that is what an exception, or one behind it, was about.

    Args:
        unforeseen: whether it is none of our own errors. Of those, one that is about permissions keeps its own code: a
            case that can't be read is the cohort's matter.
    """
    for one in _chain(error):
        if isinstance(one, MemoryError):
            return OUT_OF_MEMORY
        if isinstance(one, OSError):
            found = _BY_NUMBER.get(one.errno or 0) or (
                _BY_NUMBER_UNLESS_OURS.get(one.errno or 0) if unforeseen else None
            )
            if found is not None:
                return found
        text = str(one)
        for words, code in _BY_WORDS.items():
            if words in text:
                return code
    return None


def reported(code: str) -> str:
    """With what the reason begins, in a coordinator's ledger, if a reply is not used since the site reported this
    code."""
    return f"the site reported `{code}`:"


def reported_code(reason: str) -> str | None:
    """The code in a reason that begins as `reported` says; ``None`` if it does not."""
    found = _REPORTED.match(reason)
    return None if found is None else found[1]


def waits_for_a_person(reason: str) -> bool:
    """Whether a reason in a coordinator's ledger is no failure: a person at the site has yet to decide."""
    return reported_code(reason) == UNAPPROVED


def what_to_do(code: str) -> str:
    """What to do about a code; where to look, if it has no line of its own."""
    return CAUSES.get(code, "state/errors.jsonl at the site says where, and `fedgraft site check` what to do")


def what_to_do_here(code: str) -> str:
    """`what_to_do`, for who reads it at the site itself."""
    return CAUSES_HERE.get(code) or CAUSES.get(
        code, "state/errors.jsonl says where, and `fedgraft site check` what to do"
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those behind it, as a traceback shows them."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
