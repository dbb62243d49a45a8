"""The demo's live camera: a page without Gradio, and what it sends its frames to."""
