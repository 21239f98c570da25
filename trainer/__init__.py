"""What learns: planned batches become a model, and models become scores. Imports schemas, never Spark."""
