"""Pages of the reference, made from what the code declares, and the hooks of the site."""
