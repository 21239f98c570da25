"""How one table becomes the next: pure, lazy transforms over Spark frames; imports schemas only."""
