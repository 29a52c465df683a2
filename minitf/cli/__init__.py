"""The command line: the parser of each command, the flags that commands share, exit statuses and error output."""
