"""What programs import: executors, edges, the builder, contexts and the built workflow."""
