import asyncio

import pytest

from fcn.server.weighted_semaphore import WeightedSemaphore


def order_of(amounts, total, cancel=None):
    """Lets tasks ask for amounts one after another; returns the order in which they had them, and the most
    that was out at once."""
    had, most, out = [], 0, 0

    async def use(semaphore, index, amount):
        nonlocal most, out
        async with semaphore.acquire(amount):
            had.append(index)
            out += min(amount, total)
            most = max(most, out)
            try:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            finally:
                out -= min(amount, total)

    async def run():
        semaphore = WeightedSemaphore(total)
        tasks = [asyncio.create_task(use(semaphore, index, amount)) for index, amount in enumerate(amounts)]
        await asyncio.sleep(0)
        if cancel is not None:
            tasks[cancel].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with semaphore.acquire(total):  # everything came back
            pass

    asyncio.run(asyncio.wait_for(run(), 10))
    return had, most


async def take(semaphore):
    async with semaphore.acquire(1):
        pass


def test_a_budget_is_never_exceeded_and_goes_out_in_order():
    had, most = order_of([3, 4, 2, 5, 1, 1, 1], total=6)
    assert had == [0, 1, 2, 3, 4, 5, 6]
    assert most <= 6


def test_a_small_one_does_not_overtake_a_large_one():
    had, _ = order_of([4, 4, 1], total=5)
    assert had == [0, 1, 2]


def test_more_than_there_is_gets_all_of_it_alone():
    had, most = order_of([2, 100, 2], total=3)
    assert had == [0, 1, 2]
    assert most == 3


@pytest.mark.parametrize("cancel", [0, 1, 2])
def test_what_a_canceled_task_asked_for_comes_back(cancel):
    had, most = order_of([3, 3, 2, 3], total=4, cancel=cancel)
    assert [index for index in had if index != cancel] == [index for index in range(4) if index != cancel]
    assert most <= 4


def test_a_task_that_is_canceled_in_the_moment_of_its_turn_gives_it_back():
    async def run():
        semaphore = WeightedSemaphore(1)
        async with semaphore.acquire(1):
            task = asyncio.create_task(take(semaphore))
            await asyncio.sleep(0)
        task.cancel()  # its turn has come, and it has not run since
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(take(semaphore), 5)

    asyncio.run(run())


def test_a_task_that_is_canceled_just_before_its_turn_does_not_take_it():
    async def run():
        semaphore = WeightedSemaphore(1)
        async with semaphore.acquire(1):
            task = asyncio.create_task(take(semaphore))
            await asyncio.sleep(0)
            task.cancel()  # it has not run since when its turn comes
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(take(semaphore), 5)

    asyncio.run(run())
