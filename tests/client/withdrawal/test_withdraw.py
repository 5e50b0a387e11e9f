"""A patient opts out: no run sees them, and no row of theirs is left in any file of the site."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message, RecordDict

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.audit.verify import verify
from fedgraft.client.cohort.enrolment.withdrawn import mark_of
from fedgraft.client.cohort.inputs import CaseView
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.site.row_store import KEY_BYTES
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.client.withdrawal.withdraw import withdraw
from fedgraft.common.cli import main
from fedgraft.common.errors import DataError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages as wire
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import Roster, admit, distributed
from fedgraft.simulations.engine.grid import RUN_ID, InProcessGrid
from fedgraft.simulations.federation.sites import lay_out

FEW = "patience.quorum_sites=1"


@dataclass
class Hospital:
    """A site on its own disk, and what a coordinator asks of it."""

    file: Path
    plan: Plan

    @property
    def site(self) -> SiteFile:
        return read_site_file(self.file)

    def run(self) -> int:
        """Prepare and evaluate, in new processes so to say; returns the number of training cases, 0 if it fails."""
        app = client_app.build(client_app.MessageHandler(Workspace(), [self.file], keep_answers=True))
        grid, model = InProcessGrid(app, [{"site-file": str(self.file)}], {}), build(self.plan, None)
        roster: Roster = admit(Delivery(grid), self.plan, distributed(model), grid.get_node_ids(), 1, Ledger(None))
        if not roster:
            return 0
        ((node, offer),) = roster.items()
        tensors = wire.pack_tensors(model.tensors(model.received))
        asked = wire.pack_evaluate({}, self.plan.digest, 1)
        content = RecordDict({wire.ARRAYS: tensors, wire.CONFIG: asked[wire.CONFIG]})
        (reply,) = grid.send_and_receive([Message(content, node, wire.EVALUATE)])
        assert reply.has_content(), reply.error.reason
        return offer.examples

    def traces(self, patient: str) -> list[bytes]:
        """What the site keeps of a patient: keys, the rows under them, and names of cases."""
        workspace, site = Workspace(), self.site
        inputs = workspace.inputs(site, self.plan)
        cases = [case for case in read_manifest(site.manifest) if case.patient == patient]
        inputs.verdicts(cases)
        keys = inputs.keys([CaseView(case, 0) for case in cases])
        rows = [row for folder in (site.shared_store / "kept").iterdir() for row in rows_of(folder, keys)]
        assert len(rows) >= 2 * len(cases), "pixels and features"
        return [*keys, *rows, *(Pseudonyms(site.state).name(case).encode() for case in cases), patient.encode()]

    def found(self, traces: list[bytes]) -> list[Path]:
        """The files below the site's folders, but for the hospital's own manifest, that hold any of them."""
        files = [path for top in (self.site.state, self.site.shared_store) for path in top.rglob("*") if path.is_file()]
        return [path for path in files if any(one in path.read_bytes() for one in traces)]


def rows_of(folder: Path, keys: list[bytes]) -> Iterator[bytes]:
    kind = json.loads((folder / "kind.json").read_text())
    size = int(np.prod(kind["shape"])) * np.dtype(kind["dtype"]).itemsize
    index, rows = (folder / "index.bin").read_bytes(), (folder / "rows.bin").read_bytes()
    places = [index[at : at + KEY_BYTES] for at in range(0, len(index), KEY_BYTES)]
    yield from (rows[k * size : (k + 1) * size] for k, key in enumerate(places) if key in keys and size > 64)


@pytest.fixture
def hospital(compose_plan: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))  # a store of its own, not that of other tests
    plan = compose_plan(FEW, "data.test_fraction=0.2")
    file = next(iter(lay_out(plan, tmp_path / "sites", os.environ).sites.values()))
    return Hospital(file, plan)


def test_nothing_of_a_patient_is_left_and_no_run_sees_them_again(
    hospital: Hospital, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hospital.run()
    listed = read_manifest(hospital.site.manifest)
    patients = list(dict.fromkeys(case.patient for case in listed))[:2]
    traces = [one for patient in patients for one in hospital.traces(patient)]
    held = {path.name for path in hospital.found(traces)}
    assert {"rows.bin", "index.bin", f"{RUN_ID}.safetensors"} <= held, held
    for kept in ("check.html", "answers/1.safetensors"):
        (hospital.site.state / kept).parent.mkdir(exist_ok=True)
        (hospital.site.state / kept).write_text(f"of {patients[0]}")

    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(patients) + "\n\nnot read\n"))
    assert main(["site", "withdraw", "--by", "Dr. Grey", "--site", str(hospital.file)]) == 0
    said = capsys.readouterr().out
    lines = sum(case.patient in patients for case in listed)
    assert "2 patient(s) are withdrawn; state/withdrawals.jsonl has keyed digests, no names" in said
    assert f"still names them in {lines} line(s), which are left out from now on" in said
    assert f"they took part in run(s) {RUN_ID}" in said
    assert hospital.found(traces) == []

    (line,) = [json.loads(text) for text in (hospital.site.state / "withdrawals.jsonl").read_text().splitlines()]
    assert line["by"] == "Dr. Grey", "one line for both: the number of lines is told to the coordinator"
    assert line["patients"] == {mark_of(hospital.site.state, patient): [str(RUN_ID)] for patient in patients}
    assert hospital.run() < before
    assert hospital.found(traces) == [], "computed anew without them"
    assert verify(hospital.site.state).is_clean

    again = withdraw(hospital.site, patients, "Dr. Grey")
    assert (again.patients, again.before) == (2, 2) and again.removed.files > 0
    assert len((hospital.site.state / "withdrawals.jsonl").read_text().splitlines()) == 1


def test_who_is_given_must_be_known(hospital: Hospital, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, file = hospital.site, tmp_path / "out.txt"
    ask = ["site", "withdraw", "--by", "x", "--site", str(hospital.file), "--from", str(file)]
    patient = read_manifest(site.manifest)[0].patient
    for text, why in [
        (None, "can't be read as text (FileNotFoundError)"),
        ("\n\n", "no patient was given; nothing was changed"),
        (f"{patient}\nnobody\n", "1 of 2 patients are in no line of the manifest (of those given, number 2); nothing"),
    ]:
        if text is not None:
            file.write_text(text)
        assert main(ask) == 2
        told = capsys.readouterr().err
        assert why in told and "nobody" not in told
    assert not (site.state / "withdrawals.jsonl").exists()
    assert main([*ask, "--unknown"]) == 0
    assert "they took part in no run that this site's account knows" in capsys.readouterr().out


def test_a_mistake_is_undone(hospital: Hospital, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patients = [case.patient for case in read_manifest(hospital.site.manifest)]
    file = tmp_path / "out.txt"
    file.write_text(patients[0])
    ask = ["site", "withdraw", "--by", "x", "--site", str(hospital.file), "--from", str(file)]
    assert main([*ask, "--undo"]) == 2
    assert "a patient that was given is not withdrawn at this site" in capsys.readouterr().err
    assert main(ask) == 0 and main([*ask, "--undo"]) == 0
    assert "1 patient(s) take part again, from the next message on" in capsys.readouterr().out
    whats = [json.loads(line)["what"] for line in (hospital.site.state / "withdrawals.jsonl").read_text().splitlines()]
    assert whats == ["withdrawn", "readmitted"]


def test_a_withdrawal_that_was_taken_out_of_the_log_stops_the_site(hospital: Hospital) -> None:
    for case in read_manifest(hospital.site.manifest)[:2]:
        withdraw(hospital.site, [case.patient], "x")
    log = hospital.site.state / "withdrawals.jsonl"
    log.write_text(log.read_text().splitlines(keepends=True)[1])
    with pytest.raises(DataError, match=r"withdrawals.jsonl was changed: line 1 does not follow"):
        withdraw(hospital.site, [read_manifest(hospital.site.manifest)[0].patient], "x")
    assert hospital.run() == 0
    errors = (hospital.site.state / "errors.jsonl").read_text().splitlines()
    assert json.loads(errors[-1])["code"] == DataError.code
