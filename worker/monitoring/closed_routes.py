"""The routes of Flower that are answered: a closed list, so a later Flower opens none by itself."""

from typing import Any

from flower import urls, views
from flower.views.tasks import TasksDataTable
from tornado.routing import URLSpec
from tornado.web import RequestHandler

# Flower's own patterns. Left out are all that change something, the result of a task, which is a whole answer, the
# metrics, which ask for no password, and the login by other parties.
SHOWN = frozenset(
    {
        "/",
        "/workers",
        "/worker/(.+)",
        "/task/(.+)",
        "/tasks",
        "/tasks/datatable",
        "/broker",
        "/api/workers",
        "/api/tasks",
        "/api/task/types",
        "/api/queues/length",
        "/api/task/info/(.*)",
        # No password is asked for these three: a probe's, Flower's own scripts and pictures, and unknown paths.
        "/healthcheck",
        "/static/(.*)",
        ".*",
    }
)


def close_routes() -> None:
    """Have Flower answer only the routes that are shown, and only to requests that read."""
    # Flower has imported the list by now, so it is changed in its place.
    urls.handlers[:] = [each for each in urls.handlers if _pattern(each) in SHOWN]
    views.BaseHandler.SUPPORTED_METHODS = ("GET", "HEAD")
    # The page of tasks reads its table by POST, since a search can be longer than an address.
    TasksDataTable.SUPPORTED_METHODS = ("GET", "POST")


def _pattern(route: URLSpec | tuple[str, type[RequestHandler]] | tuple[Any, ...]) -> str:
    pattern = route.regex.pattern if isinstance(route, URLSpec) else route[0]
    return str(pattern).removesuffix("$")
