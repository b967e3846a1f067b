"""An OTLP receiver for traces: HTTP with JSON, understood by the protocol's own definitions.

It prints its port, then a line of JSON for each request: spans by name with their parents, attributes and
status. A body that the definitions do not know is answered with 400.
"""

import base64
import http.server
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2


def with_base64_ids(value):
    """OTLP writes ids in hexadecimal where the JSON of protocol buffers has base64."""
    if isinstance(value, list):
        return [with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, item in value.items():
        if key in ("traceId", "spanId", "parentSpanId"):
            changed[key] = base64.b64encode(bytes.fromhex(item)).decode()
        else:
            changed[key] = with_base64_ids(item)
    return changed


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            assert self.path == "/v1/traces", self.path
            assert self.headers["Content-Type"] == "application/json", self.headers
            message = json_format.ParseDict(
                with_base64_ids(json.loads(body)), trace_service_pb2.ExportTraceServiceRequest()
            )
            print(json.dumps(shown(message)), flush=True)
            answer, status = b'{"partialSuccess":{}}', 200
        except Exception as error:  # noqa: BLE001: whatever it is, the sender is told
            answer, status = repr(error).encode(), 400
            print(json.dumps({"error": repr(error)}), flush=True)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def plain(value):
    return getattr(value, value.WhichOneof("value"))


def shown(message):
    (resource,) = message.resource_spans
    (scope,) = resource.scope_spans
    names = {span.span_id: span.name for span in scope.spans}
    return {
        "service": {a.key: plain(a.value) for a in resource.resource.attributes}["service.name"],
        "traces": len({span.trace_id for span in scope.spans}),
        "ids": all(len(s.trace_id) == 16 and len(s.span_id) == 8 for s in scope.spans),
        "spans": [
            {
                "name": span.name,
                "parent": names.get(span.parent_span_id),
                "kind": span.kind,
                "status": span.status.code,
                "message": span.status.message,
                "nanoseconds": span.end_time_unix_nano - span.start_time_unix_nano,
                "start": span.start_time_unix_nano,
                "attributes": {a.key: plain(a.value) for a in span.attributes},
            }
            for span in scope.spans
        ],
    }


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
