"""Which texts are nearly the same: shingles, MinHash, true Jaccard."""
