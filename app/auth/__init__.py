"""Who may reach the workspace, who is there, and what they may see: OpenID Connect, roles, middleware."""
