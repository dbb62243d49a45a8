"""The workspace: launcher, navigation, session, and the pieces that its pages are put together from."""
