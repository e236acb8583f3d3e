"""Sockets: the guest's own on the loopback interface; what lies beyond is refused."""
import errno
import select
import socket
import time


def attempt(what, function, *arguments):
    try:
        print(what, "->", function(*arguments))
    except OSError as error:
        print(what, "->", type(error).__name__, errno.errorcode.get(error.errno))


server = socket.create_server(("127.0.0.1", 0))
address = server.getsockname()
print(address[0], address[1] > 0, server.type == socket.SOCK_STREAM)
client = socket.create_connection(address)
peer, origin = server.accept()
print(origin == client.getsockname(), peer.getpeername() == client.getsockname(), client.getpeername() == address)
print(client.send(b"hello"), peer.recv(3), peer.recv(10, socket.MSG_PEEK) if hasattr(socket, "MSG_PEEK") else b"lo", peer.recv(10))
peer.sendall(b"1" * 1000)
received = b""
while len(received) < 1000:
    received += client.recv(300)
print(len(received))
client.setblocking(False)
attempt("nothing to read", client.recv, 1)
client.settimeout(0.1)
start = time.monotonic()
try:
    client.recv(1)
except TimeoutError as error:
    print("timed out", 0.05 < time.monotonic() - start < 5)
peer.send(b"x")
print(select.select([client], [client], [], 1) == ([client], [client], []), client.recv(5))
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
peer.shutdown(socket.SHUT_WR)
print(client.recv(5), client.send(b"after"), peer.recv(5))
peer.close()
time.sleep(0.01)
attempt("closed", lambda: [client.send(b"x" * 10) for _ in range(3)] and None)
client.close()
server.close()
attempt("closed socket", client.recv, 1)
attempt("refused", socket.create_connection, address, 1)
attempt("not connected", socket.socket().recv, 1)
attempt("not connected peer", socket.socket().getpeername)
one, two = socket.socketpair()
one.sendall(b"pair")
with two.makefile("rb") as file:
    print(file.read(4))
one.close()
two.close()
receiver, sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
print(sender.sendto(b"datagram", receiver.getsockname()), receiver.recvfrom(100)[0])
receiver.close()
sender.close()
print(socket.inet_aton("127.0.0.1"), socket.ntohs(1), socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][4])
with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as second:
    attempt("in use", second.bind, taken.getsockname())
print(socket.gethostbyname("localhost"))
for hints in {}, {"proto": socket.IPPROTO_TCP}, {"proto": 17}, {"type": socket.SOCK_STREAM}, {"type": socket.SOCK_STREAM, "proto": 17}, {"flags": socket.AI_NUMERICHOST}:
    attempt(f"with {hints}", lambda: [(kind.name, by) for _, kind, by, _, _ in socket.getaddrinfo("127.0.0.1", 80, **hints)])
attempt("no number", lambda: socket.getaddrinfo("localhost", 80, flags=socket.AI_NUMERICHOST))
attempt("nothing", lambda: socket.getaddrinfo(None, None))
with socket.socket() as options:
    print("family and protocol", options.getsockopt(1, 39) == socket.AF_INET, options.getsockopt(1, 38))
