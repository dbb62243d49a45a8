"""What the page People is made of: the roster with everybody's role, and the audit log."""
