from __future__ import annotations

from hypothesis import settings

# Machines that are shared take their time now and then.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
