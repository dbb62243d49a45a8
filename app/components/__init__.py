"""What pages share: choices, charts, background tasks, panes; modules of browser components, and their tiles."""
