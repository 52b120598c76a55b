"""Running steps as processes, each once as long as nothing that it is made from changes."""
