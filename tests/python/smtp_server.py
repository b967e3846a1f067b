"""A mail relay (aiosmtpd) that keeps what it is given.

Usage: smtp_server.py FOLDER [--starttls CERT KEY | --implicit CERT KEY] [--login USER:PASSWORD] [--defer N]

Prints its port, then writes each mail to FOLDER/1.eml and so on, with its envelope as X- headers. The
first N mails are put off with 451. It ends when its standard input does.
"""

import argparse
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--starttls", nargs=2)
parser.add_argument("--implicit", nargs=2)
parser.add_argument("--login")
parser.add_argument("--defer", type=int, default=0)
arguments = parser.parse_args()


class Keeper:
    mails = 0
    deferred = 0

    async def handle_DATA(self, server, session, envelope):
        if self.deferred < arguments.defer:
            self.deferred += 1
            return "451 come back later"
        self.mails += 1
        place = os.path.join(arguments.folder, f"{self.mails}.eml")
        head = [
            f"X-From: {envelope.mail_from}",
            f"X-To: {', '.join(envelope.rcpt_tos)}",
            f"X-Tls: {session.ssl is not None or arguments.implicit is not None}",
            f"X-Login: {session.authenticated}",
        ]
        with open(place + ".part", "wb") as file:
            file.write("\r\n".join(head).encode() + b"\r\n" + envelope.original_content)
        os.rename(place + ".part", place)
        return "250 kept"


def authenticate(server, session, envelope, mechanism, data):
    wanted = arguments.login.encode()
    is_right = isinstance(data, LoginPassword) and data.login + b":" + data.password == wanted
    return AuthResult(success=is_right)


def context(pair):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*pair)
    return made


class Relay(Controller):
    def factory(self):
        options = {}
        if arguments.starttls:
            options |= {"tls_context": context(arguments.starttls), "require_starttls": True}
        if arguments.login:
            options |= {"authenticator": authenticate, "auth_required": True}
            options |= {"auth_require_tls": arguments.starttls is not None}
        return SMTP(self.handler, **options)

    def _trigger_server(self):
        # It connects to the port that was asked for, which is not the one that was given.
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


implicit = context(arguments.implicit) if arguments.implicit else None
relay = Relay(Keeper(), hostname="127.0.0.1", port=0, ssl_context=implicit)
relay.start()
print(relay.port, flush=True)
sys.stdin.read()
relay.stop()
