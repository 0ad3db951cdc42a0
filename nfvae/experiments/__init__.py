"""Everything that needs a folder, a configuration or a screen."""
