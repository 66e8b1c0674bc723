"""Runs that outlive their process: the engine on DBOS, who lives, where runs are kept, and how they are steered."""
