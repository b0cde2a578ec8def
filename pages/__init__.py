"""What a person sees: one file a page, each read top to bottom as the visitor's path."""
