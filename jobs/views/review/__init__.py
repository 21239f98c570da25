"""The page on which pairs are reviewed and the ledger is read, and the same questions as a sheet."""
