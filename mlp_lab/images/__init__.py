"""Images as arrays: reading, rendering, augmentation, corruption, similarity, spectra."""
