#!/usr/bin/env python3
"""TaskMapr's command line."""

import sys


def main() -> None:
    # Written so that an older Python can read it, or it could not say what is wrong.
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit("TaskMapr needs Python 3.11 or newer; this is " + sys.version.split()[0])
    try:
        from taskmapr.stack import command_line
    except ModuleNotFoundError as error:
        sys.exit("The package " + str(error.name) + " is not installed here. Run `make up` once.")
    command_line.main()


if __name__ == "__main__":
    main()
