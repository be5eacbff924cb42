#!/usr/bin/env bash
# A time with an offset, stored through SQLAlchemy's DateTime(timezone=True) in SQLite, comes back as another moment.
# The offset is dropped, not converted, and a query for the same moment in UTC finds nothing.
# Expected: the same moment, or an error. It matters for prices that are collected in several time zones.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check sqlalchemy==2.1.9
env/bin/python - << 'PYTHON'
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, create_engine, insert, select

sales = Table("sales", MetaData(), Column("id", Integer, primary_key=True), Column("at", DateTime(timezone=True)))
engine = create_engine("sqlite://")
sales.metadata.create_all(engine)
moment = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=3)))
with engine.begin() as connection:
    connection.execute(insert(sales).values(at=moment))
    back = connection.scalar(select(sales.c.at))
    found = len(connection.execute(select(sales).where(sales.c.at == moment.astimezone(timezone.utc))).all())
print(f"sqlalchemy {version('sqlalchemy')}, column DateTime(timezone=True), SQLite")
print(f"seen: stored {moment}, read {back}")
print(f"seen: rows found for the same moment in UTC: {found}")
assert back == moment.replace(tzinfo=None), "changed"
assert found == 0, "changed"
PYTHON
