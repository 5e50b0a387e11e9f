"""What runs at a site and what an error says outside it, with Flower's real runner and a pretended connection."""

import contextlib
import logging
import multiprocessing
import multiprocessing.forkserver as forkserver
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from flwr.app import Error, Message, RecordDict

from fedgraft.client.deployment import executor, message_process
from fedgraft.common.errors import DataError, DeploymentError
from fedgraft.common.runtime.only_one import beginning

SECRET = "patient-mueller-1957.dcm"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Flower's runner, put back as it was afterwards."""
    module = message_process.require_flower()
    for name in message_process.REPLACED:
        monkeypatch.setattr(module, name, getattr(module, name))
    yield module


def question() -> Message:
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    return Message(RecordDict(), 1, "query.prepare")


def answer_with(runner: Any, monkeypatch: pytest.MonkeyPatch, app: Any) -> tuple[list[Message], list[str]]:
    """Run one task through Flower's runner with ``app`` installed; returns what was sent, and task details."""
    sent: list[Message] = []
    installed = ModuleType("installed_app")
    installed.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "installed_app", installed)
    monkeypatch.setattr(message_process, "CLIENT_APP", "installed_app:app")
    monkeypatch.setattr(runner, "push_message", lambda _, message, __: sent.append(message))
    message_process.make_safe(runner)
    run = SimpleNamespace(fab_id="a/b", fab_version="1", run_id=1)
    fab = SimpleNamespace(content=b"hostile", hash_str="00")
    given = (question(), SimpleNamespace(run_id=1, node_id=1), run, fab)
    monkeypatch.setattr(runner, "pull_task_input", lambda _: given)
    beat = SimpleNamespace(start=lambda: None, stop=lambda: None, is_running=False)
    monkeypatch.setattr(runner, "HeartbeatSender", lambda _: beat)
    monkeypatch.setattr(runner, "register_signal_handlers", lambda **_: None)
    ends: list[str] = []
    monkeypatch.setattr(runner, "flwr_exit", lambda code, **_: ends.append(str(code)))
    runner.run_clientapp("127.0.0.1:1", "token", True)
    return sent, ends


def test_the_installed_app_answers_and_the_bundle_is_not_unpacked(
    runner: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    before = list(sys.path)
    sent, ends = answer_with(runner, monkeypatch, lambda message, context: Message(RecordDict(), reply_to=message))
    assert len(sent) == 1 and not sent[0].has_error()
    assert ends == ["0"]
    assert sys.path == before
    assert list(tmp_path.rglob("*.py")) == [] and not (tmp_path / "apps").exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError(SECRET), "fedgraft:unexpected"),
        (DataError(SECRET), "fedgraft:data-unusable"),
        (ImportError(SECRET), "fedgraft:unexpected"),
    ],
)
def test_an_exception_leaves_as_a_code(
    runner: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def app(message: Message, context: Any) -> Message:
        raise error

    sent, _ = answer_with(runner, monkeypatch, app)
    assert (sent[0].error.code, sent[0].error.reason) == (2, reason)


def test_an_error_of_flowers_own_leaves_as_a_code(
    runner: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For instance a failure between loading and calling: Flower would send the exception's text."""

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(message_process, "run_installed_app", fail)
    with caplog.at_level(logging.CRITICAL):
        sent, ends = answer_with(runner, monkeypatch, None)
    assert sent[0].error.reason == "fedgraft:unexpected"
    assert ends == ["800"]


@pytest.mark.parametrize(
    ("reason", "leaves"),
    [
        ("fedgraft:wire", "fedgraft:wire"),
        ("wire", "fedgraft:wire"),
        ("fedgraft:mueller", "fedgraft:unexpected"),
        ("<class 'OSError'>:<'/data/mueller.dcm'>", "fedgraft:unexpected"),
        (None, "fedgraft:unexpected"),
        ("", "fedgraft:unexpected"),
    ],
)
def test_only_known_codes_leave(reason: str | None, leaves: str) -> None:
    reply = Message(Error(2, reason), reply_to=question())
    assert message_process.without_text(reply).error.reason == leaves


def test_a_flower_that_works_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = message_process.require_flower()
    monkeypatch.delattr(module, "install_from_fab")
    with pytest.raises(DeploymentError, match="can't be run safely at a site: its runner does not use install_fr"):
        message_process.require_flower()
    monkeypatch.undo()

    def run_clientapp() -> None:
        """Uses none of the names."""

    monkeypatch.setattr(module, "run_clientapp", run_clientapp)
    with pytest.raises(DeploymentError, match="get_load_client_app_fn, push_message"):
        message_process.require_flower()


def test_a_superexec_that_works_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = executor.require_superexec()
    monkeypatch.delattr(loop, "get_executor")
    with pytest.raises(DeploymentError, match="can't be given our executor"):
        executor.require_superexec()


def test_only_client_tasks_are_run() -> None:
    """Other kinds would unpack the bundle; an AgentApp's is asked for only to be turned down."""
    from flwr.supercore.constant import TaskType

    started: list[tuple[Any, Any]] = []

    def process(target: Any, args: Any) -> Any:
        started.append((target, args))
        return SimpleNamespace(start=lambda: None, is_alive=lambda: False, exitcode=0)

    trusted = executor.TrustedExecutor(SimpleNamespace(Process=process))  # type: ignore[arg-type]
    asked, _ = trusted.get_eligible_capacity(set(TaskType), insecure=True, root_certificates_path=None)
    assert asked == {TaskType.CLIENT_APP, TaskType.AGENT_APP}
    results = {}
    for kind in TaskType:
        spec = SimpleNamespace(task_type=kind, runtime_api_address="a", token="t")
        results[kind] = str(trusted.launch(spec).status)
    assert {kind for kind, status in results.items() if status == "accepted"} == asked
    assert {target for target, _ in started} == {message_process.answer, message_process.refuse}
    trusted.reconcile()


@pytest.mark.parametrize(
    ("code", "kills", "cause"),
    [(-9, 0, "killed"), (-9, 1, "out-of-memory"), (-11, 0, "process-ended"), (1, 0, "process-ended")],
)
def test_the_cause_of_a_process_end(code: int, kills: int, cause: str) -> None:
    assert executor.cause_of_end(code, kills) == cause


def test_a_task_that_can_not_be_started_or_told_of_is_no_error_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of processes is gone, and so is the SuperNode."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def start() -> None:
        raise EOFError

    context: Any = SimpleNamespace(Process=lambda target, args: SimpleNamespace(start=start))
    spec = SimpleNamespace(task_type=executor.CLIENT_TASK, runtime_api_address="127.0.0.1:1", token="t")
    launched = executor.TrustedExecutor(context).launch(spec)
    assert (str(launched.status), launched.message) == ("failed", "no process could be started: EOFError")


def test_the_server_ends_when_it_was_not_needed_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes: the server that forks them is gone afterwards, and the next message starts another."""
    context = multiprocessing.get_context("forkserver")
    server: Any = forkserver
    monkeypatch.setattr(executor, "answer", time.monotonic_ns)
    monkeypatch.setattr(executor, "kept_claimed", lambda *_: contextlib.nullcontext())
    made = context.Process
    monkeypatch.setattr(context, "Process", lambda target, args: made(target=target))
    spec = SimpleNamespace(task_type=executor.CLIENT_TASK, runtime_api_address="a", token="t")
    trusted, servers = executor.TrustedExecutor(context), list[int]()
    for _ in range(2):
        assert str(trusted.launch(spec).status) == "accepted"
        servers.append(server._forkserver._forkserver_pid)
        (task,) = trusted._tasks
        task.process.join()
        trusted.reconcile()
        assert beginning(servers[-1]) is not None, "it was needed a moment ago"
        monkeypatch.setattr(executor, "IDLE_SECONDS", -1.0)
        trusted.reconcile()
        trusted.reconcile()
        assert beginning(servers[-1]) is None
        monkeypatch.setattr(executor, "IDLE_SECONDS", 600.0)
    assert servers[0] != servers[1]


def test_at_a_warm_site_the_server_is_there_before_any_message_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("forkserver")
    server: Any = forkserver
    executor.stop_server()
    monkeypatch.setattr(executor, "IDLE_SECONDS", -1.0)
    trusted = executor.TrustedExecutor(context, warm=True)
    try:
        for _ in range(3):
            trusted.reconcile()
        assert beginning(server._forkserver._forkserver_pid) is not None
    finally:
        executor.stop_server()
