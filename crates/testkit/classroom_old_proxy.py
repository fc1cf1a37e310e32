"""A proxy as they are in use, written from the page on the classroom proxy interface, bugs included.

It gives a process one second to listen and does not try again; hands it its own standard input, its sockets, and a
/dev/null that cannot be written to; shows the second word of a reply; spins on a connection that has ended; waits a
second before a `get chatLog` unless another is outstanding, and holds every command while one is.
"""

import os
import socket
import subprocess
import sys
import threading
import time

connections = {}
outstanding = threading.Event()


def listen(connection):
    buffer = ""
    while True:
        data = connection.recv(4096)
        # The end of a connection is nothing special: this spins.
        buffer += data.decode()
        while "\n" in buffer:
            line, buffer = buffer.split("\n", 1)
            words = line.split()
            if words[0] == "chatLog":
                # An empty log ends this thread here, and then all waits for ever.
                print(words[1], flush=True)
                outstanding.clear()


def start(words):
    number, n, port = words[0], words[2], words[3]
    null = open("/dev/null", "r")
    subprocess.Popen(["./process", number, n, port], stdout=null, stderr=null, close_fds=False)
    time.sleep(1)
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.set_inheritable(True)
    connections[number] = connection
    threading.Thread(target=listen, args=(connection,), daemon=True).start()


def leave():
    while outstanding.is_set():
        time.sleep(0.01)
    subprocess.run(["./stopall"], check=False)
    sys.stdout.flush()
    os._exit(0)


def main():
    while True:
        line = sys.stdin.readline()
        another = outstanding.is_set()
        while outstanding.is_set():
            time.sleep(0.001)
        if not line or line.strip() == "exit":
            leave()
        words = line.split()
        if words[1] == "start":
            start(words)
            continue
        connection = connections[words[0]]
        command = line.split(" ", 1)[1]
        if words[1] == "msg":
            int(words[2])
        if words[1] == "get":
            if not another:
                time.sleep(1)
            outstanding.set()
        connection.sendall(command.encode())


main()
