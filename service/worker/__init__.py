"""One process with one version: it encodes, filters, searches and renders. It knows no HTTP and no other version."""
