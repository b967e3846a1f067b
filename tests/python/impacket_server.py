"""An RPC server made of impacket's DCERPCServer, on a loopback port of the system's choice.

usage: impacket_server.py INTERFACE_UUID

Offers version 1.0 of the interface without any operation. Prints its port, and ends when its
standard input does.
"""

import sys

from impacket.dcerpc.v5.rpcrt import DCERPCServer


def main():
    server = DCERPCServer()
    server.daemon = True
    server.addCallbacks((sys.argv[1], "1.0"), "1688", {})
    server.start()
    print(server.getListenPort(), flush=True)
    sys.stdin.read()


main()
