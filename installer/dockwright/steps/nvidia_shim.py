"""Step kind ``nvidia_shim``: the command ``nvidia-docker``, for scripts that still call it."""

from __future__ import annotations

from typing import Literal

from dockwright.errors import RefusedError
from dockwright.plan import Verb
from dockwright.steps.base import Decision, StepBase, View, action, assumed

PATH = "/usr/local/bin/nvidia-docker"  # /usr/bin is dpkg's
# The wrapper of nvidia-docker2 said --runtime=nvidia, and took $NV_GPU. CDI needs neither a runtime
# nor a dockerd that was started after the toolkit came.
TEXT = """\
#!/bin/sh
# nvidia-docker: docker, with GPUs for "run" and "create": all, or those of NV_GPU=0,1.
# Written by Dockwright. Today one writes: docker run --device nvidia.com/gpu=all ...
left=$# value='' found=''
while [ "$left" -gt 0 ]; do
  word=$1 left=$((left - 1))
  shift
  set -- "$@" "$word"
  [ -z "$found" ] || continue
  if [ -n "$value" ]; then value=''; continue; fi
  case $word in
    -H|-c|-l|--host|--context|--config|--log-level|--tlscacert|--tlscert|--tlskey) value=1 ;;
    -*|container) ;;
    run|create)
      found=1
      for gpu in $(printf %s "${NV_GPU:-all}" | tr ',' ' '); do set -- "$@" --device "nvidia.com/gpu=$gpu"; done ;;
    *) found=1 ;;
  esac
done
exec docker "$@"
"""


class NvidiaShim(StepBase):
    """``nvidia-docker`` on PATH where it is ``wanted``; somebody else's file of that name stays."""

    kind: Literal["nvidia_shim"]
    wanted: bool = False

    def decide(self, view: View) -> Decision:
        """Kept where it is right; refused where the name is taken."""
        found = view.facts.file(PATH)
        if not self.wanted:
            kept = action(
                self, view, kind="file", verb=Verb.KEEP, target=PATH, reason="nobody asked for it"
            )
            return Decision(actions=(kept,))
        right = found is not None and found.content == TEXT and found.mode == "0755"
        if found is not None and found.content != TEXT:
            raise RefusedError(
                f"{PATH} is there already, and not ours",
                step=self.name,
                next_step="move it away, or leave nvidia_docker_shim out",
            )
        return Decision(
            actions=(
                action(
                    self, view, kind="file", verb=Verb.KEEP if right else Verb.ADD, target=PATH,
                    reason="as planned" if right else "docker with the GPUs, for old scripts",
                    before=None, after=None if right else TEXT,
                    params={"path": PATH, "mode": "0755", "content": TEXT, "absent": False},
                ),
            ),
            assumes={PATH: assumed(view.facts, PATH)},
        )  # fmt: skip
