"""The losses of the paper, and gradients over several processes or chunks of a batch. The room knows only vectors."""
