"""The command line: a parser for each command, the flags that commands share, and how a command ends."""
