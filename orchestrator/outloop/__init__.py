"""Work that no model needs to do: operations seen again and again, scripts that do them, context that is not needed, quota that lasts."""
