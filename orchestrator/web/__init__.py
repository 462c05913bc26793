"""Runs over HTTP: an API for programs, pages for people. Refuses whoever has not the token, and every other origin."""
