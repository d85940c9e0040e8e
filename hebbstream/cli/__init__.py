"""The `hebbstream` command: one file a command."""
