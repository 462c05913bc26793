"""The daemon: its decisions, its folder, and who it tells."""
