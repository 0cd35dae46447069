"""The house keeps its own rules: each test names what was forgotten."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from dockwright import steps
from dockwright.cli import commands
from dockwright.distros import SUPPORTED
from dockwright.errors import _SEVERITY, BY_EXIT, DockwrightError, Exit, worst
from dockwright.load import load_playbook, shipped_names
from dockwright.resources import directory
from dockwright.steps import STEPS
from tests.unit.making import NAMES

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "installer" / "dockwright"
MODULES = sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> set[str]:
    """The top-level packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


# --- step kinds and templates ---------------------------------------------------------------------


def test_no_step_kind_is_left_out_of_the_table() -> None:
    """A class after StepBase is in STEPS, under the name that its own field has."""
    bases = {"StepBase", "MergesDaemonJson"}
    written = {
        node.name
        for path in (SOURCE / "steps").glob("*.py")
        for node in tree(path).body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in bases for base in node.bases)
    }
    assert {kind.__name__ for kind in STEPS.values()} == written - bases
    for name, kind in STEPS.items():
        assert get_args(kind.model_fields["kind"].annotation) == (name,)
        assert kind.__name__ in steps.__all__


def test_every_step_kind_is_used_by_a_shipped_playbook() -> None:
    texts = [path.read_text(encoding="utf-8") for path in directory("playbooks").rglob("*.yaml")]
    used = {kind for text in texts for kind in re.findall(r"(?m)^ *- kind: (\w+)$", text)}
    assert used == set(STEPS)


def test_no_template_is_left_over() -> None:
    """Each template has an action kind, or a name in the renderer; each runtime part is included."""
    code = "".join(path.read_text(encoding="utf-8") for path in MODULES)
    top = directory("templates")
    kinds = set(re.findall(r"""kind="(\w+)"|"(hold|file|group_member)", Verb""", code))
    planned = {name for pair in kinds for name in pair if name}
    assert {path.name.removesuffix(".sh.j2") for path in (top / "steps").iterdir()} <= planned
    rendered = {path.name for path in top.iterdir() if path.is_file()}
    assert {name for name in rendered if f'"{name}"' not in code} == set()
    texts = "".join(path.read_text(encoding="utf-8") for path in top.glob("*.j2"))
    assert {path.name for path in (top / "runtime").iterdir()} == set(
        re.findall(r'runtime\("([a-z]+\.sh)"\)', texts)
    )


# --- sizes and layers -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_the_import_contract_is_kept() -> None:
    done = subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "lint-imports", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("library", "where"),
    [
        ("fabric", r"transport\.ssh"),
        ("paramiko", r"transport(\.\w+)?"),
        ("invoke", r"transport\.(local|lean)"),
        ("jinja2", r"renderer(\.\w+)?|load\.\w+|report\.html"),
        (
            "pydantic",
            r"models(\.\w+)?|plan|events|judge|receipts\.\w+|doctor\.probe|report\.jsonl|load(\.\w+)+|steps\.\w+|renderer\.\w+|trust\.\w+",
        ),
        ("typer", r"cli(\.\w+)?"),
        ("rich", r"report\.\w+"),
        ("yaml", r"load\.\w+"),
        ("pysequoia", r"trust\.\w+"),
        ("urllib3", r"trust\.\w+"),
    ],
)
def test_each_library_is_used_where_the_layers_say(library: str, where: str) -> None:
    users = {name_of(path) for path in MODULES if library in imports(path)}
    assert users, f"{library} is a dependency that nobody uses"
    assert {user for user in users if not re.fullmatch(where, user)} == set()


def test_every_dependency_is_imported_somewhere() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("\ndependencies = [") : text.index("\n]\n")]
    names = re.findall(r'^    "([A-Za-z0-9-]+)', block, re.MULTILINE)
    modules = {"python-debian": "debian", "pyyaml": "yaml"}
    used = set().union(*(imports(path) for path in MODULES))
    assert {name for name in names if modules.get(name, name) not in used} == set()


def test_only_these_texts_go_into_a_program_unquoted() -> None:
    uses = [
        f"{name_of(path)}: {ast.unparse(node)}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Raw", "Markup")
    ]
    listed = (Path(__file__).parent / "cases" / "raw.txt").read_text(encoding="utf-8")
    assert sorted(uses) == listed.splitlines(), "is what Raw takes right as it is?"


def test_no_template_turns_the_quoting_off() -> None:
    for path in directory("templates").rglob("*.j2"):
        filters = set(re.findall(r"\|\s*(\w+)", "".join(EXPRESSION.findall(path.read_text()))))
        assert filters <= {
            "words",
            "comment",
            "parent",
            "variable",
            "join",
            "map",
            "length",
            "default",
        }, path
        assert "autoescape" not in path.read_text(encoding="utf-8")


EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)


# --- one place for each addition ------------------------------------------------------------------


def test_every_step_module_is_in_steps() -> None:
    apart = {
        "__init__",
        "base",
        "apt_past",
        "apt_sources",
        "dockerd",
        "driver_choice",
        "gpu_generation",
        "merging",
        "order",
        "pins",
        "runtimes",
        "uniting",
        "versions",
    }
    modules = {path.stem for path in (SOURCE / "steps").glob("*.py")} - apart
    assert modules == set(STEPS)


def test_every_step_s_kind_is_its_key() -> None:
    for kind, step in STEPS.items():
        assert step.model_fields["kind"].annotation.__args__ == (kind,)  # type: ignore[union-attr]
        assert step.__doc__


def kinds_of_actions() -> set[str]:
    """Every word that a module gives to ``kind=`` in an action."""
    return {
        keyword.value.value
        for room in ("steps", "planner", "receipts")
        for path in (SOURCE / room).glob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("action", "Action")
        for keyword in node.keywords
        if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant)
        if isinstance(keyword.value.value, str)
    }


def test_every_kind_of_action_has_a_template_with_both_macros() -> None:
    templates = {
        path.name.removesuffix(".sh.j2"): path.read_text(encoding="utf-8")
        for path in (directory("templates") / "steps").glob("*.sh.j2")
    }
    assert set(templates) == kinds_of_actions()
    for kind, text in templates.items():
        assert "{% macro check(p) %}" in text, kind
        assert "{% macro apply(p) %}" in text, kind


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_playbook_loads(name: str) -> None:
    book = load_playbook(name)
    assert book.name == name
    assert book.summary
    assert book.overrides == {}


def test_every_shipped_component_is_in_a_shipped_playbook() -> None:
    used = {part for name in shipped_names() for part in load_playbook(name).components}
    assert used == set(shipped_names("components"))


def test_every_family_has_recorded_facts() -> None:
    for distro in {release.distro for release in SUPPORTED}:
        assert any(name.startswith(f"{distro}-") for name in NAMES), f"record a host of {distro}"


def test_every_command_has_a_line_of_help_and_a_panel() -> None:
    for command in commands.app().registered_commands:
        assert command.rich_help_panel in ("Everyday", "Plans", "Look")
        assert command.callback is not None
        assert command.callback.__doc__


def test_only_the_command_that_was_typed_is_looked_at() -> None:
    def names(*words: str) -> int:
        return len(commands.app(words).registered_commands)

    assert names("verify", "web1") == 1
    # Help, a typing error that wants a hint, an option before the command.
    assert names() == names("--help") == names("verfy") == names("--version", "verify") > 10


# --- exit codes -----------------------------------------------------------------------------------


def test_every_exit_code_has_a_word_and_every_error_a_code() -> None:
    assert len({code.word for code in Exit}) == len(Exit)
    errors = set(DockwrightError.__subclasses__())
    assert set(BY_EXIT.values()) <= errors
    assert all(kind.exit is code for code, kind in BY_EXIT.items())


def test_the_worst_host_decides() -> None:
    assert [int(worst([Exit(code), Exit.OK])) for code in _SEVERITY] == list(_SEVERITY)
    pairs = itertools.pairwise(_SEVERITY)
    assert all(worst([Exit(one), Exit(two)]) == one for one, two in pairs)
    assert worst([]) is Exit.OK
    assert worst([Exit.REPAIR, Exit.INTERRUPTED]) is Exit.INTERRUPTED


def test_the_readme_has_the_same_exit_codes() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = {int(code) for code in re.findall(r"(?m)^\| *`?([0-9]+)`? *\|", text)}
    assert table == {int(code) for code in Exit}


# --- what must not get out ------------------------------------------------------------------------

# Put together here, so that this file is none of those that hold them.
LEAKS = ("/wo" + "rk/", "/opt/" + "wheels", "/opt/" + "pypi", "pypi" + ".org", "pythonhosted" + ".org",
         "deb.debian" + ".org", "archive.ubuntu" + ".com", "registry." + "npmjs.org")  # fmt: skip


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_tells_of_the_machine_that_it_was_made_on() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {leak}"
        for path in tracked()
        for leak in LEAKS
        if leak.encode() in path.read_bytes()
    }
    assert found == set()


def test_the_package_says_what_it_is_without_loading_what_it_does_not_need() -> None:
    script = "import sys, dockwright.cli.commands; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    heavy = {"paramiko", "fabric", "invoke", "urllib3", "pysequoia", "rich.progress", "debian"}
    heavy |= {"pydantic", "jinja2", "yaml", "dockwright.app", "dockwright.models"}
    assert heavy & set(done.stdout.split()) == set()
