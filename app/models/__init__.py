"""The page Models: champion and candidate side by side, the gate's verdict, promotion and rollback."""
