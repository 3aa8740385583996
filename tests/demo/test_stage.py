"""Where the demo stands: its ports."""

import socket

from demo.stage import choose_ports


def test_pages_keep_their_port_after_a_browser_was_connected():
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert choose_ports(port).web != port
        with socket.create_connection(("127.0.0.1", port)) as browser:
            accepted, _address = server.accept()
            # The side that closes first is the one whose port is left waiting.
            accepted.close()
            assert browser.recv(1) == b""
    assert choose_ports(port).web == port
