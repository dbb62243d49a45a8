"""The Gradio demo for stakeholders and its API: ``python -m app.demo``."""
