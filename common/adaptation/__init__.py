"""Domain-adaptation layers: one idea a file, each acting on a backbone that is otherwise frozen."""
