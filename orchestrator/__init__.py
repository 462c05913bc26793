"""Run annotated PLAN.md files with several coding agents at once, and believe only checked results."""
