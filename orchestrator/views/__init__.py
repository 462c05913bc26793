"""What a run is, for whoever looks at it: people on a terminal or a page, and programs. Refuses to print, and to change anything."""
