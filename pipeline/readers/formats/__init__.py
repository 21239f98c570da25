"""One file a source format; ``pipeline/readers/registry.py`` names them."""
