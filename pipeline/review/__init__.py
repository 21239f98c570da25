"""Review: which pairs are asked about, what the answers say, and which of them count."""
