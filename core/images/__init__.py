"""Untrusted bytes to a Photo: containers, archives, decoding, letterbox, drawing."""
