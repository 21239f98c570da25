"""What finds candidates for a query: a file a retriever, and the registry that knows them by name."""
