"""Every row of the paper on one shop, as command lines that are run once each. It loads no model."""
