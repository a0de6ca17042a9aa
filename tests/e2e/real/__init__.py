"""Servers that other people wrote, as processes of our own: see README.md."""
