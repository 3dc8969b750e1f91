"""The URLs of brokers and result stores: which are supported, and the TLS options that they contain.

`amqps://` checks the server's certificate and its host name, and so does `rediss://` unless the URL says otherwise.
"""

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from celery.app.backends import BACKEND_ALIASES
from celery.utils.imports import load_extension_class_names
from kombu.utils.url import url_to_parts

BROKERS = {"redis", "redis+socket", "rediss", "sentinel", "amqp", "amqps"}
# The tests run on these. Other transports of kombu lose messages, or have not been tried.
SUPPORTED_BROKERS = "redis://, rediss://, sentinel://, redis+socket://, amqp:// or amqps://"
# The path of these URLs is the number of a database.
NUMBERED = {"redis", "rediss", "sentinel"}
# The URLs of other result backends have forms of their own.
UNDERSTOOD = ("redis", "sentinel", "amqp")

# kombu passes parameters of other URLs on under names that py-amqp does not know.
TLS_PARAMETERS_SCHEMES = {"rediss", "sentinel"}
TLS_PREFIX = "ssl_"
REQUIREMENTS = {
    **{each.name: each for each in ssl.VerifyMode},
    **{each.name.removeprefix("CERT_").lower(): each for each in ssl.VerifyMode},
}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
TLS_PARAMETERS = {"ssl_cert_reqs", "ssl_check_hostname", *FILES}


def scheme_of(urls: str) -> str:
    """Return the scheme of a URL, or of the first URL of a list separated by semicolons."""
    return urls.partition("://")[0]


def problem_of_broker(urls: str) -> str | None:
    """Return the reason why the URLs cannot be those of a broker, or None. The reason quotes no URL."""
    if any(scheme_of(each) not in BROKERS or "://" not in each for each in urls.split(";")):
        return f"must be {SUPPORTED_BROKERS}"
    return _problem_of_list(urls)


def problem_of_result_store(urls: str) -> str | None:
    """Return the reason why the URLs cannot be those of a result store, or None. The reason quotes no URL."""
    name = scheme_of(urls).partition("+")[0]
    if name == "rpc":
        return "cannot be rpc://, because messages of a batch have no reply address"
    if "://" not in urls or not _is_result_backend(name):
        return "must be redis://HOST:PORT/NUMBER or another URL that Celery knows"
    return _problem_of_list(urls) if name.startswith(UNDERSTOOD) else None


def tls_options(urls: str) -> dict[str, Any] | None:
    """Return the options of redis-py for connections over TLS, or None for connections without TLS."""
    scheme, parameters = scheme_of(urls), _tls_parameters(urls)
    if scheme != "rediss" and not parameters:
        return None
    return parameters | {
        "ssl_cert_reqs": REQUIREMENTS[parameters.get("ssl_cert_reqs", "required")],
        "ssl_check_hostname": _checks_host_name(parameters),
    }


def amqp_tls_options(urls: str) -> dict[str, Any] | None:
    """Return the options of py-amqp for connections over TLS, or None for connections without TLS."""
    # kombu replaces None by the host of the URL. Without the option, py-amqp would not check the name.
    return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None} if scheme_of(urls) == "amqps" else None


def _problem_of_list(urls: str) -> str | None:
    each_url = urls.split(";")
    if not all(map(_is_readable, each_url)):
        return "cannot be read: write redis://HOST:PORT/NUMBER, with special characters of a password percent-encoded"
    if len({(scheme_of(url), tuple(_tls_parameters(url).items())) for url in each_url}) > 1:
        return "must have the same scheme and the same ssl_ parameters in each of its URLs"
    return _problem_of_tls(scheme_of(urls), _tls_parameters(urls))


def _problem_of_tls(scheme: str, parameters: dict[str, Any]) -> str | None:
    if parameters and scheme not in TLS_PARAMETERS_SCHEMES:
        return "has ssl_ parameters, which only rediss:// and sentinel:// can have"
    if parameters.keys() - TLS_PARAMETERS:
        return f"has an unknown ssl_ parameter: known are {', '.join(sorted(TLS_PARAMETERS))}"
    if parameters.get("ssl_cert_reqs", "required") not in REQUIREMENTS:
        return "must have required, optional or none as ssl_cert_reqs"
    missing = [name for name in FILES if name in parameters and not Path(parameters[name]).is_file()]
    return f"names a file that does not exist: {', '.join(missing)}" if missing else None


def _is_readable(url: str) -> bool:
    try:
        parts = url_to_parts(url)
    except ValueError:
        return False
    path = (parts.path or "").strip("/")
    if scheme_of(url) in NUMBERED:
        return not path or path.isdecimal()
    # If a password contains a slash, the rest of the password and the host become the path.
    return "@" not in path


def _is_result_backend(name: str) -> bool:
    # A name with a dot is the path of a class, which Celery imports.
    if "." in name or name in BACKEND_ALIASES:
        return True
    return any(name == extension for extension, _ in load_extension_class_names("celery.result_backends"))


def _tls_parameters(urls: str) -> dict[str, Any]:
    query = urls.partition(";")[0].partition("?")[2]
    return {name: value for name, value in parse_qsl(query) if name.startswith(TLS_PREFIX)}


def _checks_host_name(parameters: dict[str, Any]) -> bool:
    if REQUIREMENTS[parameters.get("ssl_cert_reqs", "required")] is ssl.CERT_NONE:
        return False
    return str(parameters.get("ssl_check_hostname", "true")).lower() != "false"
