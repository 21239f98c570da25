"""What ``make setup`` runs: environments, models and the vLLM server's home."""
