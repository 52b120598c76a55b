"""What feeds write in place of a value that they do not have."""

PLACEHOLDERS = ("", "n/a", "#n/a", "na", "nan", "none", "null", "nil", "-", "--")  # in lower case
