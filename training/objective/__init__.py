"""The losses of the paper and how their gradients are gathered. They know vectors only."""
