"""How gunicorn serves both shops: two worker processes each, and nothing outside of the demo."""

from example_project.lifetime import end_with_starter

workers = 2
worker_class = "gthread"  # a browser's idle connection must not hold up a whole process
threads = 4
keepalive = 0  # each click may meet another process: that is what one comes to see
graceful_timeout = 5
loglevel = "warning"
control_socket_disable = True  # it would lie in the home folder, shared with every other gunicorn


def on_starting(server: object) -> None:
    """Bind the life of the server to that of the demo."""
    end_with_starter()
