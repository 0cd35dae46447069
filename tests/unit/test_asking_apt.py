"""What apt is asked with: ours alone where that is enough, the host's own lists, or those of today."""

from __future__ import annotations

import os
import time

import pytest

from tests.unit.shell import RUNTIME, Bench, Done

WANTED = "docker-ce=5:29 containerd.io=2"
SITE = "vendor.example_dists_noble"
# What is told beside a plan depends on the sources that are read: with those of the host the dependency is found.
APT = """
case " $* " in *"sourceparts=TOP/private/trial.d"*) read=ours ;; *) [ ! -e TOP/private/sources.d/host-a.sources ] && read=ours || read=all ;; esac
case " $* " in
  *" update "*) case " $* " in *foreign.d*) : >TOP/updated ;; esac; exit ;;
  *" gencaches "*) exit ;;
esac
[ ! -e TOP/plan.never ] || exit 100
[ "$read" = all ] || [ -e TOP/plan.ours ] || exit 100
[ "$read" = ours ] || [ -e TOP/updated ] || [ -e TOP/plan.all ] || exit 100
case " $* " in
  *" --print-uris "*) cat TOP/named.$read ;;
  *) echo "Inst docker-ce from $read" ;;
esac"""


@pytest.fixture
def apt(bench: Bench) -> Bench:
    """A host whose apt makes a plan of what the test puts into ``plan.*``."""
    for name in ("apt-get", "apt-cache"):
        bench.fake(name, APT.replace("TOP", str(bench.top)))
    for folder in ("private/sources.d", "private/trial.d", "private/lists", "var/lib/apt/lists"):
        (bench.top / folder).mkdir(parents=True)
    (bench.top / "private/sources.d/host-a.sources").write_text("Types: deb\n")
    vendors = "'https://vendor.example/dists/noble/docker-ce_29.deb' docker-ce_29.deb 1 SHA256:aa\n"
    (bench.top / "named.ours").write_text(vendors)
    (bench.top / "named.all").write_text(
        f"{vendors}'http://archive.example/pool/iptables.deb' iptables.deb 1 SHA256:bb\n"
    )
    return bench


def lists_of(bench: Bench, days: float) -> None:
    path = bench.top / "var/lib/apt/lists/archive.example_Packages"
    path.write_text("Package: iptables\n")
    os.utime(path, (time.time() - days * 86400,) * 2)


def asked(
    bench: Bench, *, removals: str = "", telling: str = "", lacking: str = "", first: str = ""
) -> Done:
    text = (RUNTIME / "apt.sh").read_text(encoding="utf-8")
    text = text.replace("/var/lib/apt/lists", f"{bench.top}/var/lib/apt/lists")
    body = f"""
    private={bench.top}/private work={bench.top}/private wanted='{WANTED}' sites={SITE} removals='{removals}' apt_flags=
    lacking='{lacking}' out={bench.top}/out; {first}
    simulate_fresh preflight {telling}; ls "$private/sources.d"; exit 0"""
    return bench.run(f"{text}\n{body}", "journal", "proxy")


def updates(bench: Bench) -> int:
    return sum(" update" in call for call in bench.calls())


@pytest.mark.parametrize("age", [None, 0.5, 30])
def test_no_list_of_a_distribution_is_read_where_ours_are_enough(
    apt: Bench, age: float | None
) -> None:
    if age is not None:
        lists_of(apt, age)
    (apt.top / "plan.ours").touch()
    (apt.top / "plan.all").touch()
    assert asked(apt, telling="telling").output == "Inst docker-ce from ours\n"
    # The program's own transaction goes the same way.
    assert list((apt.top / "private/sources.d").iterdir()) == []
    assert updates(apt) == 0
    assert (apt.top / "private/uris").read_text() == (apt.top / "named.ours").read_text()


@pytest.mark.parametrize(
    ("age", "fetched"), [(0.5, False), (30, True), (None, True)], ids=["fresh", "old", "none"]
)
def test_lists_that_are_needed_are_those_of_today(
    apt: Bench, *, age: float | None, fetched: bool
) -> None:
    if age is not None:
        lists_of(apt, age)
        (apt.top / "plan.all").touch()
    done = asked(apt, telling="telling")
    assert done.output == "Inst docker-ce from all\nhost-a.sources\n"
    assert updates(apt) == fetched
    assert (apt.top / "private/uris").read_text() == (apt.top / "named.all").read_text()
    simulations = [call for call in apt.calls() if " -s " in call]
    assert (
        len(simulations)
        == {"fresh": 2, "old": 3, "none": 2}["fresh" if age == 0.5 else "old" if age else "none"]
    )


@pytest.mark.parametrize("age", [None, 30, 0.5])
def test_lists_that_will_be_needed_are_fetched_beside_the_vendors(
    apt: Bench, age: float | None
) -> None:
    """And ours alone is not tried: it could not do."""
    if age is not None:
        lists_of(apt, age)
        (apt.top / "plan.all").touch()
    done = asked(apt, telling="telling", lacking="iptables", first="private_update preflight;")
    assert done.output == "Inst docker-ce from all\nhost-a.sources\n"
    foreign = [call for call in apt.calls() if " update" in call and "foreign.d" in call]
    assert len(foreign) == (age != 0.5)
    assert all("NoLocking=true" in call for call in foreign)
    assert any("trial.d" in call for call in apt.calls() if " -s " in call) == (age == 0.5)


def test_old_lists_do_where_nothing_comes_from_them(apt: Bench) -> None:
    """A package that is replaced is known by them; what comes is the vendor's."""
    lists_of(apt, 30)
    (apt.top / "plan.all").touch()
    (apt.top / "named.all").write_text((apt.top / "named.ours").read_text())
    assert asked(apt, removals="docker.io").output == "Inst docker-ce from all\nhost-a.sources\n"
    assert updates(apt) == 0


def test_with_what_goes_the_host_s_own_lists_are_there(apt: Bench) -> None:
    """The way back is fetched by them."""
    lists_of(apt, 0.5)
    (apt.top / "plan.ours").touch()
    (apt.top / "plan.all").touch()
    assert asked(apt, removals="docker.io").output == "Inst docker-ce from all\nhost-a.sources\n"
    assert not any("trial.d" in call for call in apt.calls())


def test_where_apt_makes_no_plan(apt: Bench) -> None:
    (apt.top / "plan.never").touch()
    done = asked(apt)
    assert done.of("stop") == ["3 0 apt cannot make this plan"]
    assert updates(apt) == 1
