"""The query language of Advanced Search: text to tree, tree to predicate."""
