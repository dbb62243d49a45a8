"""The Streamlit workspace: launcher, navigation, and a package for each page; auth, box editor and demo."""
