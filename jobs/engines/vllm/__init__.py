"""The vLLM server and its client."""
