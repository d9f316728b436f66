"""The commands of the core: what is installed and configured, and whether it is right."""
