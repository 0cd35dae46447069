"""The one file as user data: a machine that provisions itself at its first boot.

Facts: cloud-init's modules write_files and runcmd (cc_write_files, cc_runcmd); ``encoding: gz+b64``
keeps the text out of YAML's hands, and user data small.
"""

from __future__ import annotations

import base64
import gzip

from dockwright.renderer import Program

_LINE = 76


def user_data(program: Program, *, name: str, file: str) -> str:
    """``#cloud-config`` that writes the file and applies it; ``name`` is the playbook's.

    What the file says is in cloud-init's own log, ``/var/log/cloud-init-output.log``.
    """
    # mtime: the same file makes the same text.
    packed = base64.b64encode(gzip.compress(program.text.encode(), mtime=0)).decode()
    lines = [packed[at : at + _LINE] for at in range(0, len(packed), _LINE)]
    path = f"/usr/local/sbin/{file}"
    return "\n".join(
        [
            "#cloud-config",
            f"# Playbook {name} at the first boot, by cloud-init; sh {path} status tells how it went.",
            "write_files:",
            f"  - path: {path}",
            '    permissions: "0755"',
            "    owner: root:root",
            "    encoding: gz+b64",
            "    content: |",
            *(f"      {line}" for line in lines),
            "runcmd:",
            f"  - [sh, {path}, apply]",
            "",
        ]
    )
