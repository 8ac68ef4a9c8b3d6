"""A TCP proxy that knows Kafka's frames: it keeps the first copy of chosen requests, cuts the
client's connection, and hands the kept copy to the broker when the client has long sent it again
and is in its next transaction. Networks do this; only more rarely."""

import asyncio
import random
import threading

OFFSET_FETCH = 9
INIT_PRODUCER_ID, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 22, 25, 26, 28
COMMIT, ABORT, OFFSETS = "EndTxn (commit)", "EndTxn (abort)", "TxnOffsetCommit"

# Where in the next transaction the late copy strikes: when all its outputs are written, or when all
# that is left is to end it.
MOMENTS = (ADD_OFFSETS_TO_TXN, END_TXN)


class Kept:
    """The first copy of a request."""

    def __init__(self, kind, frame, moment):
        self.kind, self.frame, self.moment = kind, frame, moment
        self.is_resent = False  # the transaction is ambiguous
        self.is_ended = False


class Proxy:
    """Listens from `start` to `stop`, on a thread of its own."""

    def __init__(self, port, upstream, seed=1):
        self.port, self.upstream = port, upstream
        self.random = random.Random(seed)
        self.swallowed = ()  # of requests with these keys the broker never hears
        self.reset()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def reset(self, chances=None, moments=MOMENTS, refused=0.0, struck=lambda: None):
        """From now on keeps requests with the chance of their kind until one of these moments, and
        has so many TxnOffsetCommits refused, for which the client aborts; calls `struck` when a
        late copy has been answered."""
        self.chances, self.moments = chances or {}, moments
        self.refused, self.struck = refused, struck
        self.kept = {}  # by transactional id
        # Transactions of which a request was kept and sent again by the client, by its kind.
        self.ambiguous = dict.fromkeys((COMMIT, ABORT, OFFSETS), 0)
        self.late = self.ambiguous.copy()  # of them, whose copy was answered within the next one

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
                if frame[1] in self.swallowed:
                    continue
                if frame[1] in (ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT):
                    if await self._keeps(frame):
                        break
                    if frame[1] == TXN_OFFSET_COMMIT and self.random.random() < self.refused:
                        frame = of_another_generation(frame)
                broker_out.write(head + frame)
                await broker_out.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            answers.cancel()
            client_out.close()
            broker_out.close()

    async def _keeps(self, frame):
        """One transaction of a producer after the other."""
        producer, kind = transactional_id(frame), kind_of(frame)
        kept = self.kept.get(producer)
        if kept and kept.is_ended and frame[1] == kept.moment:
            del self.kept[producer]
            if await self._deliver(kept.frame):
                self.late[kept.kind] += 1
                self.struck()
        elif kept and not kept.is_resent and kind == kept.kind:
            if content(frame) == content(kept.frame):
                kept.is_resent = True
                self.ambiguous[kind] += 1
            else:  # the client was made anew, and the transaction given up
                del self.kept[producer]
        elif not kept and self.random.random() < self.chances.get(kind, 0.0):
            self.kept[producer] = Kept(kind, frame, self.random.choice(self.moments))
            return True
        if kept and kept.is_resent and frame[1] == END_TXN:
            kept.is_ended = True
        return False

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

    async def _deliver(self, frame):
        """Hands the frame to the broker; whether that has answered."""
        try:
            broker_in, broker_out = await asyncio.open_connection("127.0.0.1", self.upstream)
            broker_out.write(len(frame).to_bytes(4, "big") + frame)
            await asyncio.wait_for(broker_in.readexactly(8), 5)
            broker_out.close()
            return True
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            return False


def content(frame):
    """A request without its correlation id, which differs when it is sent again."""
    return frame[:4] + frame[8:]


def body(frame):
    """What follows the header: client id, and in TxnOffsetCommit's version tagged fields."""
    start = 10 + max(0, int.from_bytes(frame[8:10], "big", signed=True))
    return frame[start + (frame[1] == TXN_OFFSET_COMMIT):]


def transactional_id(frame):
    """The first field of all these requests; as a compact string in TxnOffsetCommit."""
    fields = body(frame)
    if frame[1] == TXN_OFFSET_COMMIT:
        return fields[1:fields[0]]
    return fields[2:2 + int.from_bytes(fields[:2], "big")]


def of_another_generation(frame):
    """A TxnOffsetCommit as of a member that the group has left behind: the broker refuses it."""
    group = len(frame) - len(body(frame)) + len(transactional_id(frame)) + 1
    generation = group + frame[group] + 8 + 2  # after the group's id, producer id and epoch
    return frame[:generation] + b"\x7f" + frame[generation + 1:]


def kind_of(frame):
    if frame[1] == END_TXN:
        return COMMIT if frame[-1] else ABORT
    return OFFSETS if frame[1] == TXN_OFFSET_COMMIT else None
