"""The data of a fit: pairs, captions, photos, and the batches drawn from them. It knows no loss and no optimiser."""
