"""The layouts of training sets: how a row gives a query, its positives and its negatives."""
