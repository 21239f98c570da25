"""Queries and hard negatives written by a small language model, and the gates that decide which are believed."""

from pipeline.synthesise.config import SynthesiseConfig

__all__ = ["SynthesiseConfig"]
