"""Whether a search works, seen in a minute: queries made from its catalogue, and which products they find."""
