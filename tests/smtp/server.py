#! Servers of mail for the tests: one with TLS from the first byte, one with STARTTLS, both with a password, and one
#! with neither. What they are given lies in FOLDER/mail, a file each, with the recipients in its first line.
# usage: server.py FOLDER PORT PORT PORT; FOLDER has server.crt and server.key
import itertools
import pathlib
import signal
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder = pathlib.Path(sys.argv[1])
mail = folder / "mail"
numbers = itertools.count()


class Handler:
    async def handle_DATA(self, server, session, envelope):
        text = ",".join(envelope.rcpt_tos).encode() + b"\n" + envelope.content
        unfinished = folder / "unfinished"
        unfinished.write_bytes(text)
        unfinished.rename(mail / f"{next(numbers):04}")
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"ada@example.com", b"wedge:antilles")
    return AuthResult(success=good, handled=good)


mail.mkdir()
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(folder / "server.crt", folder / "server.key")
secret = {"auth_required": True, "authenticator": authenticate}
tls = {"ssl_context": context, "auth_require_tls": False, **secret}
starttls = {"tls_context": context, "require_starttls": True, **secret}
kept = []
for port, options in zip(sys.argv[2:], (tls, starttls, {})):
    kept.append(Controller(Handler(), hostname="127.0.0.1", port=int(port), **options))
    kept[-1].start()
(folder / "ready").touch()
signal.pause()
