"""The shop on Flask."""
