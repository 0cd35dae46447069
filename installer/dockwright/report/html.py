"""A page about a run: one file that asks nobody for anything, and that reads without its script.

Whatever stands on it comes from hosts, vendors and people. Two things keep that text: every
``{{ }}`` of the template is cleaned (``finalize``) and escaped (``autoescape``), so its author cannot
forget it; and the page's own policy lets no script and no style run but the two whose digests it
names, so that text would do nothing even where it got out.
"""

from __future__ import annotations

import base64
import hashlib
import time
from functools import cache
from typing import TYPE_CHECKING

import jinja2
import jinja2.sandbox
from markupsafe import Markup

from dockwright.report import bars
from dockwright.report.html_hosts import host_views, outcomes
from dockwright.report.plan_groups import plan_views
from dockwright.report.text import Cleaned, clean, duration, plural
from dockwright.report.troubles import knots
from dockwright.report.trust_lines import trust_views
from dockwright.resources import directory

if TYPE_CHECKING:
    from dockwright.report.fleet import Fleet

_LIMIT = 2_000  # characters of one text: commands must come whole
_SMALL = 24  # hosts; more of them are also shown as squares
_KNOTS = 40


def render_html(fleet: Fleet) -> str:
    """The run as a page."""
    plans = plan_views(fleet)
    hosts, unlisted = host_views(fleet, plans)
    found = knots(fleet)
    style, script = _asset("page.css"), _asset("page.js")
    return _template().render(
        fleet=fleet,
        single=len(fleet.hosts) == 1,
        many=len(fleet.hosts) > _SMALL,
        hosts=hosts,
        unlisted=unlisted,
        anchors={host.story.host: host.id for host in hosts},
        plans=list(plans.values()),
        more_plans=len(fleet.plans) - len(plans),
        outcomes=outcomes(fleet),
        knots=found[:_KNOTS],
        more_knots=len(found) - _KNOTS,
        stages=bars.stages(fleet.stories) if len(fleet.hosts) > 1 else [],
        legend=_legend(fleet),
        trust=trust_views(fleet),
        began=_time(fleet.begin),
        duration=duration,
        plural=plural,
        width=bars.WIDTH,
        style=Markup(style),  # noqa: S704 (our own file)
        script=Markup(script),  # noqa: S704 (our own file)
        policy=f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
    )


def _legend(fleet: Fleet) -> list[tuple[str, str]]:
    """The colours that there are on the page, and what they mean."""
    used = {bit.name for story in fleet.stories for bit in bars.bits(story, 1.0)}
    words = {**{kind.value: text for kind, text in bars.LEGEND.items()}, "failed": "failed"}
    return [(name, text) for name, text in {**words, "cut": "not ended"}.items() if name in used]


@cache
def _template() -> jinja2.Template:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(directory("templates") / "report"),
        undefined=jinja2.StrictUndefined,
        finalize=_cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    return environment.get_template("page.html.j2")


def _cleaned(value: object) -> object:
    if isinstance(value, (Cleaned, Markup, int, jinja2.Undefined)):
        return value
    return clean(str(value), _LIMIT)


@cache
def _asset(name: str) -> str:
    return (directory("templates") / "report" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _time(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    except (OverflowError, ValueError, OSError):
        return ""
