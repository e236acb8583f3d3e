"""Without --allow-net nothing beyond the loopback interface can be reached, named or listened on."""
import errno
import socket
import urllib.error
import urllib.request


def attempt(what, function, *arguments):
    try:
        print(what, "->", function(*arguments))
    except OSError as error:
        print(what, "->", type(error).__name__, errno.errorcode.get(error.errno, "") if not isinstance(error, socket.gaierror) else "name")


attempt("connect", lambda: socket.create_connection(("192.0.2.1", 80), 2))
attempt("name", lambda: socket.create_connection(("example.invalid", 80), 2))
attempt("all interfaces", lambda: socket.socket().bind(("192.0.2.1", 0)))
attempt("datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
try:
    urllib.request.urlopen("http://192.0.2.1/", timeout=2)
except urllib.error.URLError as error:
    print("urlopen", type(error.reason).__name__)
