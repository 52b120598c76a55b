"""Imports the public Shopping Queries data (ESCI), with SQID's photos. See docs/esci.md. It knows no model."""
