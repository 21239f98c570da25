"""The engines behind the ports of ``pipeline``: Lucene, faiss, encoders, cross-encoders, vLLM."""
