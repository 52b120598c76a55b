"""What is added to a fitted bundle: product history, the int8 encoder, the photo encoder. It knows no batches."""
