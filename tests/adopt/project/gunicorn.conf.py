"""How gunicorn serves the project; the variables in capitals may be set per environment."""

import os

from gunicorn import glogging

wsgi_app = "conference.server.wsgi:application"
bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"

workers = int(os.environ.get("WEB_WORKERS", "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "4"))
# A broken project fails at once and once, and workers share what is loaded.
preload_app = True
# Heartbeats in memory: a slow disk must not look like a hanging worker.
worker_tmp_dir = "/dev/shm"
control_socket_disable = True

# Longer than the proxy keeps idle connections, so that it never meets one just closed.
keepalive = 150
graceful_timeout = 20

accesslog = "-"
access_log_format = "%(m)s %(U)s %(s)s %(B)s bytes %(M)s ms from %({x-forwarded-for}i)s"


class Logger(glogging.Logger):
    """Leave the health checks, one every few seconds, out of the access log."""

    def access(self, resp, req, environ, request_time):
        if environ.get("PATH_INFO") not in {"/healthz", "/livez"}:
            super().access(resp, req, environ, request_time)


logger_class = Logger
