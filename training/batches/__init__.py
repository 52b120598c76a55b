"""What a fit reads: pairs, captions, photos, and the batches drawn from them. It knows no model and no loss."""
