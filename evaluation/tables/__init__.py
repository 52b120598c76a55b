"""The paper's tables as text, with the paper's own figures. They measure nothing."""
