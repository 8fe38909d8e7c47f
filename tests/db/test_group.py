"""Group commit: what shares a transaction, what fails alone, and when a call is done."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from pumice.db.engine import sqlite_engine
from pumice.db.group import MAX_GROUP, Database
from pumice.domain.errors import StorageFailed


@asynccontextmanager
async def numbers(folder: Path) -> AsyncIterator[Database]:
    database = Database(sqlite_engine(folder / "numbers.sqlite"))
    await database.call(make, None)
    yield database
    await database.close()


def make(connection: Connection, items: Sequence[None]) -> Sequence[None]:
    connection.execute(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY, size INTEGER)"))
    return items


def add(connection: Connection, items: Sequence[int]) -> Sequence[int]:
    """Insert numbers, each with the size of the group it came in; answer the double."""
    for item in items:
        connection.execute(text("INSERT INTO numbers VALUES (:n, :size)"), {"n": item, "size": len(items)})
    return [item * 2 for item in items]


def stored(connection: Connection, items: Sequence[None]) -> Sequence[list[tuple[int, int]]]:
    rows = connection.execute(text("SELECT n, size FROM numbers ORDER BY n"))
    return [[(n, size) for n, size in rows]] * len(items)


def test_calls_share_transactions_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with numbers(tmp_path) as database:
            answers = await asyncio.gather(*(database.call(add, n) for n in range(300)))
            assert answers == [n * 2 for n in range(300)]
            rows = await database.call(stored, None)
        assert [n for n, _ in rows] == list(range(300))
        # 300 calls in a row, while the first commit takes a disk's time: they cannot all have been alone
        assert max(size for _, size in rows) > 1

    asyncio.run(main())


def test_no_group_is_larger_than_its_limit(tmp_path: Path) -> None:
    async def main() -> None:
        async with numbers(tmp_path) as database:
            await asyncio.gather(*(database.call(add, n) for n in range(3 * MAX_GROUP)))
            rows = await database.call(stored, None)
        assert len(rows) == 3 * MAX_GROUP
        assert max(size for _, size in rows) <= MAX_GROUP

    asyncio.run(main())


def test_a_bad_item_fails_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with numbers(tmp_path) as database:
            await database.call(add, 7)
            answers = await asyncio.gather(*(database.call(add, n) for n in range(20)), return_exceptions=True)
            rows = await database.call(stored, None)
        assert [n for n, answer in enumerate(answers) if isinstance(answer, BaseException)] == [7]
        assert isinstance(answers[7], StorageFailed)
        assert "UNIQUE" in answers[7].problem
        assert [n for n, _ in rows] == list(range(20))

    asyncio.run(main())


def test_an_operation_that_is_wrong_itself_fails_its_caller_and_not_the_thread(tmp_path: Path) -> None:
    def wrong(_connection: Connection, items: Sequence[int]) -> Sequence[int]:
        return [10 // item for item in items]

    async def main() -> None:
        async with numbers(tmp_path) as database:
            with pytest.raises(ZeroDivisionError):
                await database.call(wrong, 0)
            assert await database.call(wrong, 5) == 2

    asyncio.run(main())


def test_a_caller_that_leaves_disturbs_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with numbers(tmp_path) as database:
            left, stays = database.call(add, 1), database.call(add, 2)
            left.cancel()
            assert await stays == 4
            assert [n for n, _ in await database.call(stored, None)] == [1, 2]

    asyncio.run(main())


def test_closing_finishes_what_was_called_and_refuses_the_rest(tmp_path: Path) -> None:
    async def main() -> None:
        async with numbers(tmp_path) as database:
            before = [database.call(add, n) for n in range(50)]
            await database.close()
            assert await asyncio.gather(*before) == [n * 2 for n in range(50)]
            with pytest.raises(StorageFailed, match="closed"):
                await database.call(add, 99)

    asyncio.run(main())
