"""What single values mean: amounts of money, numbers, yes and no, texts, lists; it knows no columns and no rows."""
