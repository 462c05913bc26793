"""A folder of plans -> runs, day and night. Refuses plans that nobody trusts, and work that is done."""
