"""What is computed after a fit: product history, the choice of int8, the photo encoder. It knows no batches."""
