"""asyncio: tasks, sleeping, time-outs, cancelling, queues, streams over the loopback interface, exceptions."""
import asyncio
import time


async def worker(name, delay, log):
    for n in range(3):
        await asyncio.sleep(delay)
        log.append(f"{name}{n}")
    return name


async def tasks():
    log = []
    start = time.monotonic()
    print(await asyncio.gather(worker("a", 0.05, log), worker("b", 0.08, log)), log, 0.2 < time.monotonic() - start < 5)
    async with asyncio.TaskGroup() as group:
        one, two = group.create_task(worker("c", 0.001, log)), group.create_task(worker("d", 0.001, log))
    print(one.result(), two.result(), len(log))
    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(30)
    except TimeoutError:
        print("timeout")
    sleeping = asyncio.create_task(asyncio.sleep(30))
    await asyncio.sleep(0)
    print(sleeping.cancel())
    try:
        await sleeping
    except asyncio.CancelledError:
        print("cancelled", sleeping.cancelled())
    results = await asyncio.gather(asyncio.sleep(0, "fine"), fail(), return_exceptions=True)
    print([type(result).__name__ for result in results])
    queue, event, lock = asyncio.Queue(2), asyncio.Event(), asyncio.Lock()

    async def produce():
        for n in range(5):
            await queue.put(n)
        event.set()

    producer = asyncio.create_task(produce())
    print([await queue.get() for _ in range(5)], await event.wait())
    async with lock:
        print(lock.locked(), producer.done())
    print(await asyncio.wait_for(asyncio.shield(asyncio.sleep(0.01, "shielded")), 5))
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.02, future.set_result, "later")
    print(await future, type(loop).__name__.endswith("EventLoop"))


async def fail():
    raise KeyError("failed")


async def streams():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, reuse_address=False)
    port = server.sockets[0].getsockname()[1]

    async def talk(name):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        replies = []
        for n in range(3):
            writer.write(f"{name} {n}\n".encode())
            replies.append((await reader.readline()).decode().strip())
        writer.write(b"x" * 50_000 + b"\n")
        await writer.drain()
        long = await reader.readexactly(50_001)
        writer.write_eof()
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()
        return replies, len(long), long[:2], rest

    for result in await asyncio.gather(*(talk(f"client {n}") for n in range(4))):
        print(result)
    server.close()
    await server.wait_closed()


async def main():
    await tasks()
    await streams()
    return "done"


print(asyncio.run(main()))
try:
    asyncio.run(fail())
except KeyError as error:
    print("raised", error)


async def generator():
    for n in range(3):
        await asyncio.sleep(0)
        yield n


async def collect():
    return [n async for n in generator()]


print(asyncio.run(collect()))
