"""How models are measured."""
