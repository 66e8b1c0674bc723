"""What is wrong with a playbook, and how to mend it: rules in families, one finding for each place."""
