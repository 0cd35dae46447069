"""Groups of options as parameters of a command: typer knows single options only."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

from typing_extensions import get_type_hints  # 3.10's own hides Annotated behind a None default

_T = TypeVar("_T")


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """The evaluated annotations of a group; many commands have the same groups."""
    return get_type_hints(kind, include_extras=True)


def grouped(function: Callable[..., _T]) -> Callable[..., _T]:
    """Give ``function`` a signature where each group parameter is replaced by its fields."""
    hints = get_type_hints(function, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if not dataclasses.is_dataclass(kind):
            parameters.append(parameter.replace(annotation=kind))
            continue
        groups[name] = kind  # type: ignore[assignment]
        fields = _hints(kind)  # type: ignore[arg-type]  # a class is hashable, its instances or not
        parameters += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=fields[field.name],
            )
            for field in dataclasses.fields(kind)
        ]

    @wraps(function)
    def flat(**values: Any) -> _T:
        filled = {
            name: kind(**{field.name: values.pop(field.name) for field in dataclasses.fields(kind)})
            for name, kind in groups.items()
        }
        return function(**values, **filled)

    order = sorted(parameters, key=lambda p: (p.kind, p.default is not inspect.Parameter.empty))
    flat.__signature__ = inspect.Signature(order)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in order}
    return flat
