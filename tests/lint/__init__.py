"""Rules over plans."""
