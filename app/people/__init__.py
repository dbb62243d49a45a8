"""The page People: users and their roles, and the audit log."""
