"""What pages share: choices, charts, background tasks, panes; JavaScript modules and tiles."""
