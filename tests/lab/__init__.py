"""Real test hosts: booted systems with sshd, sudo, apt and Docker, offline, behind signed vendor
repositories.

Start with :class:`tests.lab.lab.Lab`; ``tests/lab/README.md`` lists what it offers. Nothing is
imported here, so that ``python -m tests.lab.init``, the first process of a lab, starts with what it
needs and no more.
"""
