"""The page: templates, one stylesheet, one script, no build step and nothing from elsewhere."""
