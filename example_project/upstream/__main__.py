"""``python -m example_project.upstream --fd 3`` serves on a socket that is listening already."""

import argparse
import socket

from example_project.lifetime import end_with_starter, exit_when_told
from example_project.upstream.server import PriceServer


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="example_project.upstream")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--fd", type=int, help="file descriptor of a listening socket")
    where.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    end_with_starter()
    exit_when_told()
    if options.fd is None:
        listening = socket.create_server(("127.0.0.1", options.port))
    else:
        listening = socket.socket(fileno=options.fd)
    with PriceServer(listening) as server:
        server.serve()


main()
