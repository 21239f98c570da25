"""What runs: entry points, engines, the store and the command line."""
