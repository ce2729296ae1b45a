import asyncio
import threading

import pytest

from fcn.server.serial_executor import SerialExecutor


def test_one_works_at_a_time_and_nobody_else_waits():
    busy, most, threads = 0, 0, set()
    started, go_on = threading.Event(), threading.Event()

    def work(number):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        threads.add(threading.get_ident())
        started.set()
        assert go_on.wait(10)
        busy -= 1
        return -number

    async def crowd():
        executor = SerialExecutor()
        tasks = [asyncio.create_task(executor.run(work, number)) for number in range(4)]
        while not started.is_set():  # the event loop keeps running meanwhile
            await asyncio.sleep(0.001)
        go_on.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(asyncio.wait_for(crowd(), 20)) == [0, -1, -2, -3]
    assert most == 1
    assert threading.get_ident() not in threads


def test_what_goes_wrong_is_said():
    with pytest.raises(ZeroDivisionError):
        asyncio.run(SerialExecutor().run(lambda: 1 // 0))
