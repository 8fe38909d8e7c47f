"""Durable asynchronous tasks: accepted on disk before the caller hears yes, run at least once, results kept a while.

`Tasks` is what faces call. It costs nothing until the first task: no import of SQLAlchemy, no file, no thread.
Inside: `executor` runs what `lanes` orders, `store` keeps it, `codec` turns requests and outcomes into bytes.
"""

from pumice.service.tasks.options import TaskOptions, TaskWish
from pumice.service.tasks.record import Progress, TaskRecord
from pumice.service.tasks.tasks import Tasks

__all__ = ["Progress", "TaskOptions", "TaskRecord", "TaskWish", "Tasks"]
