"""The journal: what it promises of its file, its versions and its damage."""
