"""A TCP proxy that knows Kafka's frames: it keeps the first copy of chosen requests, cuts the
client's connection, and hands the kept copy to the broker a while later, when the client has long
sent it again and gone on. Networks do this; only more rarely."""

import asyncio
import random
import threading

TXN_OFFSET_COMMIT, END_TXN = 28, 26


class Proxy:
    """Listens from `start` to `stop`, on a thread of its own."""

    def __init__(self, port, upstream, keys=(), chance=0.0, delay=(0.1, 0.4), seed=1):
        self.port, self.upstream = port, upstream
        self.keys, self.chance, self.delay = set(keys), chance, delay
        self.random = random.Random(seed)
        self.kept = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self):
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", self.port)
        asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        return self

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _serve(self, client_in, client_out):
        try:
            broker_in, broker_out = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            client_out.close()
            return
        answers = asyncio.ensure_future(self._pass_on(broker_in, client_out))
        try:
            while True:
                head = await client_in.readexactly(4)
                frame = await client_in.readexactly(int.from_bytes(head, "big"))
                key = int.from_bytes(frame[:2], "big")
                if key in self.keys and self.random.random() < self.chance:
                    self.kept += 1
                    asyncio.ensure_future(self._deliver_late(head + frame))
                    break
                broker_out.write(head + frame)
                await broker_out.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            answers.cancel()
            client_out.close()
            broker_out.close()

    @staticmethod
    async def _pass_on(source, sink):
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            sink.close()

    async def _deliver_late(self, frame):
        await asyncio.sleep(self.random.uniform(*self.delay))
        try:
            broker_in, broker_out = await asyncio.open_connection("127.0.0.1", self.upstream)
            broker_out.write(frame)
            await broker_out.drain()
            await asyncio.wait_for(broker_in.read(1), 5)
            broker_out.close()
        except (OSError, asyncio.TimeoutError):
            pass
