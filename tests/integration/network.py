"""A network between clients and brokers that can fail: a TCP proxy for each pair of a client and a broker.

Every client has listeners of its own at the brokers, which are advertised as its proxies, so that all of its connections pass
through them:

    clients = network.Network(["p0", "p1"], n_brokers)
    with clients, kafka_server.running(n_brokers, listeners=clients.listeners()) as cluster:
        program(clients.bootstrap("p0"))
        clients.cut(client="p0")    # from all brokers; broker=2: that one from all clients
        clients.heal()

A cut link loses nothing and refuses nothing: bytes stop, as when packets are lost, and go on when it is healed, late, or never
(heal(reset=True) closes what was open). New connections are accepted by nobody until then.
"""

import asyncio
import contextlib
import threading

import kafka_server

CHUNK_BYTES = 1 << 16
BOTH, ANSWERS = "both ways", "answers alone"  # of a cut


class Link:
    """From one client to one broker. Lives in the network's loop."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.requests_flow, self.answers_flow = asyncio.Event(), asyncio.Event()
        self.bytes_per_second = 0  # 0: as fast as it goes
        self.writers = set()
        self.heal()

    def cut(self, ways):
        self.answers_flow.clear()
        if ways == BOTH:
            self.requests_flow.clear()

    def heal(self, reset=False):
        if reset:
            for writer in self.writers:
                writer.transport.abort()
        self.requests_flow.set()
        self.answers_flow.set()

    async def pump(self, reader, writer, flow):
        while data := await reader.read(CHUNK_BYTES):
            await flow.wait()
            writer.write(data)
            await writer.drain()
            if self.bytes_per_second:
                await asyncio.sleep(len(data) / self.bytes_per_second)

    async def connected(self, reader, writer):
        self.writers.add(writer)
        onward = None
        try:
            await self.requests_flow.wait()
            back, onward = await asyncio.open_connection("127.0.0.1", self.target)
            self.writers.add(onward)
            pumps = [asyncio.create_task(self.pump(reader, onward, self.requests_flow)),
                     asyncio.create_task(self.pump(back, writer, self.answers_flow))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)  # half of a connection is none
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the broker is not there: the client's connection ends too
        finally:
            for end in (writer, onward):
                if end is not None:
                    self.writers.discard(end)
                    end.transport.abort()


class Network:
    def __init__(self, clients, n_brokers):
        self.clients = list(clients)
        ports = kafka_server.free_ports(2 * len(self.clients) * n_brokers)
        self.links, self.servers, self.running = {}, [], threading.Event()
        self.loop = asyncio.new_event_loop()
        for client in self.clients:
            for broker in range(1, n_brokers + 1):
                self.links[client, broker] = Link(ports.pop(), ports.pop())

    def listeners(self):
        """For kafka_server: listener -> [(port, advertised port)] by broker."""
        return {client.upper(): [(link.target, link.port) for (name, _), link in self.links.items() if name == client] for client in self.clients}

    def bootstrap(self, client):
        return ",".join(f"127.0.0.1:{link.port}" for (name, _), link in self.links.items() if name == client)

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        assert self.running.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)

    def serve(self):
        asyncio.set_event_loop(self.loop)
        for link in self.links.values():
            self.servers.append(self.loop.run_until_complete(asyncio.start_server(link.connected, "127.0.0.1", link.port)))
        self.running.set()
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self.loop.run_until_complete(asyncio.sleep(0))

    def chosen(self, client, broker):
        return [link for (c, b), link in self.links.items() if client in (None, c) and broker in (None, b)]

    def call(self, fn, *args):
        self.loop.call_soon_threadsafe(fn, *args)

    def cut(self, client=None, broker=None, ways=BOTH):
        for link in self.chosen(client, broker):
            self.call(link.cut, ways)

    def heal(self, client=None, broker=None, reset=False):
        for link in self.chosen(client, broker):
            self.call(link.heal, reset)

    def slow(self, client, bytes_per_second):
        """Each connection of the client, each way; 0: as fast as it goes."""
        for link in self.chosen(client, None):
            self.call(setattr, link, "bytes_per_second", bytes_per_second)
