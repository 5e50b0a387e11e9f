"""Commands that a console starts: their words, and how they ended."""

from __future__ import annotations

import time

from fedgraft.common.web.commands import job_list, job_part, state
from fedgraft.common.web.jobs import KEPT, Job, Jobs


def ended(jobs: Jobs, number: int) -> Job:
    deadline = time.monotonic() + 120
    while True:
        job = jobs.find(number)
        assert job is not None and time.monotonic() < deadline
        if job.code is not None:
            return job
        time.sleep(0.02)


def test_a_command_and_one_that_fails() -> None:
    jobs = Jobs()
    first = jobs.start("Version", "--version")
    second = jobs.start("Nothing", "nothing")
    done, failed = ended(jobs, first.number), ended(jobs, second.number)
    assert done.code == 0 and done.said.startswith("fedgraft ")
    assert failed.code == 2 and "there is no command 'nothing'" in failed.said
    assert [one.number for one in jobs.all()] == [2, 1]
    assert ">done<" in state(done) and ">failed<" in state(failed) and ">running<" in state(first)
    assert jobs.find(99) is None


def test_what_it_printed_is_escaped() -> None:
    job = Job(1, "Dry <run>", 0.0, 0, "a <script>alert(1)</script>")
    assert "<script>" not in job_part(job, None) and "&lt;script&gt;" in job_part(job, None)
    assert "Dry &lt;run&gt;" in job_list([job]) and "started nothing yet" in job_list([])


def test_only_the_newest_are_kept() -> None:
    jobs = Jobs()
    jobs._kept = {number: Job(number, "old", 0.0, 0) for number in range(1, KEPT + 1)}
    jobs._next = KEPT + 1
    ended(jobs, jobs.start("Version", "--version").number)
    assert [one.number for one in jobs.all()][-1] == 2 and len(jobs.all()) == KEPT
