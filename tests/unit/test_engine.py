"""Past one machine: what may go to a worker, and what becomes of what workers tell."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from distributed import KilledWorker
from typer.testing import CliRunner
from typing_extensions import Self

from dockwright import __version__, engine
from dockwright.app import Request
from dockwright.cli import spreading
from dockwright.cli.commands import app as command_line
from dockwright.engine import Shard
from dockwright.engine import dask as controller
from dockwright.errors import Exit, RefusedError, UnreachableError
from dockwright.events import Event, Failed, RunFinished, RunStarted
from dockwright.models import Host
from dockwright.runner import Stop
from dockwright.transport import ConnectOptions

DASK = "dask=tcp://localhost:8786"


def dockwright(*words: str | Path) -> Any:
    typed = [str(word) for word in words]
    return CliRunner().invoke(command_line(typed), typed, prog_name="dockwright")


# --- what is refused, and what travels ------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, list[Host]], Shard]]:
    """What an engine would be given; none is called."""
    found: list[tuple[dict[str, list[Host]], Shard]] = []

    class Caught:
        def __init__(self, address: str, timeout: float) -> None:
            pass

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def run(self, sites: dict[str, list[Host]], whole: Shard, stop: Stop) -> Iterator[Event]:
            found.append((sites, whole))
            yield from ()

    monkeypatch.setattr(engine, "Engine", Caught)
    return found


def test_no_secret_travels(sent: list[Any], tmp_path: Path) -> None:
    """A password, a proxy's or a registry's login: refused by its option's name, and not echoed."""
    secrets = {
        "--sudo-password-file": "hunter2",
        "--registry-logins": "https://me:hunter2@registry.example",
        "--proxy-file": "http://me:hunter2@proxy.example:3128",
    }
    for option, text in secrets.items():
        file = tmp_path / "secret"
        file.write_text(f"{text}\n")
        done = dockwright("install", "web1", "--yes", "--engine", DASK, option, file)
        assert done.exit_code == Exit.INPUT
        assert option in done.output
        assert "no secret travels" in done.output.replace("\n", " ")
        assert "hunter2" not in done.output
    assert dockwright("install", "web1", "--yes", "--engine", DASK, "-K").exit_code == Exit.INPUT
    assert sent == []


def test_what_travels_is_listed(sent: list[Any], tmp_path: Path) -> None:
    """Each field of a request either travels or does not, and what does can be sent."""
    kept = {
        "playbook",
        "logins",
        "machines",
        "market",
        "undoes",
        "asked",
        "mends",
        "level",
        "dry",
        "ahead",
        "resume",
    }
    assert set(spreading._WORDS) == {field.name for field in fields(Request)} - kept
    file = tmp_path / "hosts.yaml"
    file.write_text("hosts: {web1: , web2: , db1: }\ngroups: {berlin: {hosts: [db1]}}\n")
    done = dockwright(
        "install", "-i", file, "--yes", "--engine", DASK, "--site", "berlin", "--upgrade",
        "--proxy", "http://proxy.example:3128", "--identity", "/keys/id", "--forks", "7",
    )  # fmt: skip
    assert done.exit_code == Exit.OK, done.output
    ((sites, whole),) = sent
    assert {site: [host.name for host in hosts] for site, hosts in sites.items()} == {
        "": ["web1", "web2"], "berlin": ["db1"],
    }  # fmt: skip
    shard = pickle.loads(pickle.dumps(whole.part(3, "berlin", tuple(sites["berlin"]))))
    assert (shard.number, shard.site, shard.forks, shard.version) == (3, "berlin", 7, __version__)
    assert shard.topic == whole.topic
    assert shard.options.identity == (Path("/keys/id"),)
    request = Request(**shard.words)
    assert set(request.playbooks) == {"db1"}
    assert request.upgrade
    assert request.proxy is not None
    assert request.logins.hosts == frozenset()
    # Of the same wish on each worker: that is how a run is known again.
    whole_request = Request(**whole.words)
    assert request.on("db1").wish == whole_request.on("db1").wish != ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("web1",), "asks nothing"),
        (("local", "--yes"), "local is this machine"),
        (("web1", "--yes", "--batches", "1,rest"), "--batches does not go"),
        (("web1", "--yes", "--after-host", "true"), "--after-host does not go"),
        (("web1", "--yes", "--site", "berlin"), "no group"),
        (("web1", "--yes", "--engine", "ray=tcp://localhost:1"), "no engine"),
        (("web1", "--yes", "--engine", "dask=tcp://localhost"), "no engine"),
        (("web1", "--yes", "--engine", "dask=tcp://me:pw@localhost:1"), "no engine"),
        (("web1", "--yes", "--engine", "dask=tcp://localhost:x"), "no engine"),
    ],
)
def test_what_does_not_go_is_said(sent: list[Any], words: tuple[str, ...], said: str) -> None:
    done = dockwright("install", "--engine", DASK, *words)
    assert done.exit_code == Exit.INPUT
    assert said in done.output.replace("\n", " ")
    assert "pw" not in done.output
    assert sent == []


def test_a_site_is_of_an_engine() -> None:
    done = dockwright("install", "web1", "--yes", "--site", "berlin")
    assert done.exit_code == Exit.INPUT
    assert "--site goes with --engine" in done.output


def test_a_host_is_of_one_site(sent: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text("hosts: {a: }\ngroups: {x: {hosts: [a]}, y: {hosts: [a]}}\n")
    words = ("--site", "x", "--site", "y")
    done = dockwright("install", "-i", file, "--yes", "--engine", DASK, *words)
    assert done.exit_code == Exit.INPUT
    assert "both x and y" in done.output


def test_saved_plans_and_other_verbs_have_no_engine(tmp_path: Path) -> None:
    done = dockwright("apply", tmp_path / "plan.json", "--yes", "--engine", DASK)
    assert done.exit_code == Exit.INPUT
    assert "saved plans" in done.output
    for verb in ("undo", "purge"):  # doing it once more would go one run further back
        assert "No such option" in dockwright(verb, "web1", "--engine", DASK).output


def test_the_extra_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("dockwright.engine")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = dockwright("install", "web1", "--yes", "--engine", DASK)
    assert done.exit_code == Exit.INPUT
    assert "pip install 'dockwright[fleet]'" in done.output


def test_no_scheduler_answers() -> None:
    words = ("--engine", "dask=tcp://127.0.0.1:9", "--connect-timeout", "0.1")
    done = dockwright("install", "web1", "--yes", *words)
    assert done.exit_code == Exit.UNREACHABLE
    assert "no scheduler answers at tcp://127.0.0.1:9" in done.output.replace("\n", " ")


def test_nobody_loads_it_who_does_not_ask_for_it() -> None:
    script = (
        "import sys, pkgutil, importlib, dockwright.cli as cli\n"
        "for one in pkgutil.iter_modules(cli.__path__):\n"
        "    importlib.import_module(f'dockwright.cli.{one.name}')\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"distributed", "dask", "tornado"} & loaded == set()
    assert "dockwright.cli.spreading" in done.stdout.split()


def test_errors_are_copied_and_sent_whole() -> None:
    """With distributed in the process, too, which has a say in how errors are copied."""
    error = RefusedError("no", details=(("a", "b"),), step="s", next_step="wait")
    error.__cause__ = OSError()
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (other.brief, other.details, other.step, other.next_step) == (
            "no", (("a", "b"),), "s", "wait",
        )  # fmt: skip
        other.details = ()
        assert error.details == (("a", "b"),)


# --- what workers tell ----------------------------------------------------------------------------


class FakeFuture:
    def __init__(self, error: BaseException | None = None) -> None:
        self.status, self.error = "error" if error else "pending", error

    def exception(self) -> BaseException | None:
        return self.error

    def release(self) -> None:
        pass


class FakeClient:
    """A scheduler with workers; ``tell`` is what they say of each shard, in its order."""

    versions: ClassVar[dict[str, str | None]] = {}
    resources: ClassVar[list[dict[str, int]]] = [{}]
    tell: Callable[[Shard], list[str]] = staticmethod(lambda _: [""])
    error: BaseException | None = None
    status = "running"

    def __init__(self, address: str, timeout: float, *, set_as_default: bool) -> None:
        self.placed: list[tuple[Shard, object]] = []

    def get_versions(self, packages: list[str]) -> dict[str, Any]:
        def one(version: str | None) -> dict[str, Any]:
            return {"packages": dict.fromkeys(packages, version)}

        scheduler = one(self.versions.get("scheduler", __version__))
        workers = {name: one(v) for name, v in self.versions.items() if name != "scheduler"}
        return {"scheduler": scheduler, "workers": workers}

    scheduler: ClassVar[Any] = SimpleNamespace(identity=None)

    def sync(self, ask: object, n_workers: int, callback_timeout: float) -> dict[str, Any]:
        return {"workers": {str(n): {"resources": r} for n, r in enumerate(self.resources)}}

    def subscribe_topic(self, topic: str, handler: Callable[[Any], None]) -> None:
        self.handler = handler

    def submit(self, work: object, shard: Shard, *, resources: object, pure: bool) -> FakeFuture:
        assert not pure
        self.placed.append((shard, resources))
        for text in type(self).tell(shard):
            self.handler((0.0, (shard.number, text)))
        return FakeFuture(self.error)

    def cancel(self, futures: object) -> None:
        pass

    def close(self, timeout: float) -> None:
        pass


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    class Fresh(FakeClient):
        pass

    monkeypatch.setattr(controller, "Client", Fresh)
    monkeypatch.setattr(controller, "_LOOK", 0.01)
    return Fresh


WHOLE = Shard(words={"playbooks": {}}, options=ConnectOptions(), forks=4, looks=False)


def run(count: int, sites: dict[str, list[str]] | None = None, stop: Stop | None = None) -> Any:
    named = sites or {"": [f"h{n}" for n in range(count)]}
    hosts = {site: [Host(name=n, address=n) for n in names] for site, names in named.items()}
    books = {name: None for names in named.values() for name in names}
    whole = Shard({"playbooks": books}, ConnectOptions(), 4, looks=False)
    with engine.Engine("tcp://x:1", 1.0) as one:
        return list(one.run(hosts, whole, stop or Stop())), one._client.placed  # type: ignore[attr-defined]


def begun(host: str) -> str:
    event = RunStarted(host=host, at=1.0, command="install", playbook="docker", version="1")
    return event.model_dump_json()


def over(host: str, code: Exit = Exit.OK, changed: int = 0) -> str:
    return RunFinished(host=host, at=2.0, exit=code, changed=changed, seconds=1).model_dump_json()


def test_shards_are_two_for_each_worker_that_may_have_them(client: type[FakeClient]) -> None:
    client.resources = [{"berlin": 1}, {}, {}]
    _, placed = run(0, {"": [f"h{n}" for n in range(12)], "berlin": ["b1", "b2", "b3"]})
    sizes = [(shard.site, len(shard.hosts), needs) for shard, needs in placed]
    assert sizes == [("", 2, None)] * 6 + [
        ("berlin", 2, {"berlin": 1}),
        ("berlin", 1, {"berlin": 1}),
    ]
    assert set(placed[-1][0].words["playbooks"]) == {"b3"}
    _, placed = run(3000)
    assert {len(shard.hosts) for shard, _ in placed} == {200}


def test_a_shard_that_is_done_anew_tells_a_host_once(client: type[FakeClient]) -> None:
    """h0 was over when the worker died: that it is well already is no news; h1 is joined."""
    anew = [
        begun("h0"), begun("h1"), over("h0", changed=7),
        begun("h0"), begun("h1"), over("h0"), over("h1", changed=7), "",
    ]  # fmt: skip
    client.tell = staticmethod(lambda shard: anew if shard.number == 0 else [""])
    told, _ = run(0, {"": ["h0", "h1"]})
    ends = [(event.host, event.changed) for event in told if isinstance(event, RunFinished)]
    assert ends == [("h0", 7), ("h1", 7)]


def test_a_worker_that_is_lost_for_good_ends_its_hosts(client: type[FakeClient]) -> None:
    client.error = KilledWorker("work", None, 4)  # type: ignore[arg-type]
    client.tell = staticmethod(lambda shard: [begun("h0"), over("h0")] if shard.number == 0 else [])
    told, _ = run(2)
    (failed,) = [event for event in told if isinstance(event, Failed)]
    assert (failed.host, failed.exit) == ("h1", Exit.UNREACHABLE)
    assert "same command" in (failed.next_step or "")


def test_the_workers_do_not_come_back(
    client: type[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "_GONE", 0.0)
    monkeypatch.setattr(
        controller.Engine,
        "workers",
        lambda self, site: self.__dict__.setdefault("n", []).append(1) or len(self.n) == 1,
    )
    client.tell = staticmethod(lambda shard: [])
    told, _ = run(1)
    (failed,) = told
    assert failed.exit == Exit.UNREACHABLE
    assert "gone" in failed.brief


def test_an_error_of_a_worker_is_told(client: type[FakeClient]) -> None:
    client.error = RefusedError("a worker has Dockwright 0.0.1")
    client.tell = staticmethod(lambda shard: [])
    told, _ = run(1)
    (failed,) = told
    assert (failed.exit, failed.brief) == (Exit.REFUSED, "a worker has Dockwright 0.0.1")


def test_a_bug_on_a_worker_is_no_hosts_end(client: type[FakeClient]) -> None:
    client.error = ZeroDivisionError()
    client.tell = staticmethod(lambda shard: [])
    with pytest.raises(ZeroDivisionError):
        run(1)


def test_ctrl_c_reaches_the_workers(
    client: type[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[str] = []
    monkeypatch.setattr(controller.Engine, "raise_flag", lambda self, name: raised.append(name))
    monkeypatch.setattr(controller, "_LEAVING", 0.0)
    client.tell = staticmethod(lambda shard: [begun("h0")])
    stop = Stop()
    stop.after_step.set()
    stop.now.set()
    told, placed = run(1, stop=stop)
    topic = placed[0][0].topic
    assert raised == [f"{topic}-after_step", f"{topic}-now"]
    assert (told[-1].host, told[-1].exit) == ("h0", Exit.INTERRUPTED)


@pytest.mark.parametrize("where", ["scheduler", "tcp://w1"])
@pytest.mark.parametrize("version", ["0.0.1", None])
def test_another_version_is_refused(
    client: type[FakeClient], where: str, version: str | None
) -> None:
    client.versions = {"tcp://w0": __version__, where: version}
    with pytest.raises(RefusedError) as caught, engine.Engine("tcp://x:1", 1.0):
        pass
    ((place, has), _) = caught.value.details
    assert where in place
    assert has == (version or "none")


def test_no_worker_can_have_it(client: type[FakeClient]) -> None:
    with pytest.raises(UnreachableError, match="no worker has the resource berlin"):
        run(0, {"berlin": ["h0"]})
    client.resources = []
    with pytest.raises(UnreachableError, match="no workers"):
        run(1)
