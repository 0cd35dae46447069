"""The scenarios of a host's life, and what runs them in the field: on real servers and real GPUs.

``machine`` is what a scenario asks of a machine, ``scenarios`` and ``rows`` are what is tried, ``site`` is
a machine that is reached as Dockwright reaches hosts, ``document`` what is attached to a report. The
tests of ``tests/e2e`` run the same scenarios on lab hosts and on a virtual machine. Nothing here needs
a lab, or pytest.
"""
