"""Plans that ``plan -o`` saved: read back whole, to be applied as they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dockwright.errors import InputError
from dockwright.load.files import read_text
from dockwright.plan import HostPlan

_PLANS = TypeAdapter(tuple[HostPlan, ...])


def dump_plans(plans: list[HostPlan], version: str) -> str:
    """The text of a file of plans; ``version`` is Dockwright's."""
    whole: dict[str, Any] = {
        "dockwright": version,
        "plans": [plan.model_dump(mode="json") for plan in plans],
    }
    return json.dumps(whole, indent=1) + "\n"


def digest(text: str) -> str:
    """The sha256 of a file of plans; its first digits confirm those that delete data."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_plans(path: Path) -> tuple[tuple[HostPlan, ...], str]:
    """The plans in a file, and its digest.

    Raises InputError where it is none, and RefusedError for a file that, as root, is not to be
    trusted.
    """
    text = read_text(path, str(path))
    try:
        whole = json.loads(text)
        return _PLANS.validate_json(json.dumps(whole["plans"])), digest(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from None
    except (KeyError, TypeError):
        raise InputError(f"{path} holds no plans", next_step=_HOW) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: plans.{where}: {first['msg']}", next_step=_HOW) from None


_HOW = "make it with: dockwright plan PLAYBOOK HOST -o FILE"
