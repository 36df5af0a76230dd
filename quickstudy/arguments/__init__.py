"""What each command takes: a function's arguments are the command's, its docstring the help. Nothing heavy is imported
before a command runs, so that ``--help`` is instant."""
