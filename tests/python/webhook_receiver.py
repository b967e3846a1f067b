"""A webhook receiver (http.server of the standard library) that keeps what it is given.

Usage: webhook_receiver.py PORT FILE [SECRET]

Appends one line of JSON per request to FILE: headers, body, and whether the signature is right. Prints
its port once it listens; PORT 0 takes a free one. It ends when its standard input does.
"""

import hashlib
import hmac
import http.server
import json
import sys
import threading

port, file, *secret = sys.argv[1:]


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        signed = headers.get("x-kms-probe-timestamp", "").encode() + b"." + body
        key = secret[0].encode() if secret else b""
        wanted = "sha256=" + hmac.new(key, signed, hashlib.sha256).hexdigest()
        genuine = hmac.compare_digest(wanted, headers.get("x-kms-probe-signature", ""))
        line = {"headers": headers, "body": json.loads(body), "genuine": genuine}
        with open(file, "a") as kept:
            kept.write(json.dumps(line) + "\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


http.server.HTTPServer.allow_reuse_address = True
server = http.server.HTTPServer(("127.0.0.1", int(port)), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
