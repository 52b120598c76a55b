"""The public Shopping Queries data (ESCI), with SQID's photos, in Vitrine's formats. See docs/esci.md."""
