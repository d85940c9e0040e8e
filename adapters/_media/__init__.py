"""What video and sound have in common: sources, how they are opened, what breaks off, what is known again."""
