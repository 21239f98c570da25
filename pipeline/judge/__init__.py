"""Which candidates become negatives."""
