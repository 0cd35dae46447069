"""Acceptance: Dockwright on booted hosts; what a run changed is read from the host's overlay."""
