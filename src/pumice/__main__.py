"""Start of the command ``pumice``, also ``python -m pumice``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. A server's first replica starts at once and loads while the command line is read."""
    if sys.argv[1:2] == ["serve"] and not {"-h", "--help"} & set(sys.argv):
        from pumice.environment import of_replicas
        from pumice.runtime.front.spawn import start_spare

        start_spare(of_replicas())
    from pumice.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
