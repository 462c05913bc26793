"""What a good model writes for plans/features-PLAN.md, file by file: the scripted answers of the whole tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.agents.steps import Step, Used, say, shell, wait_for, write

ROUTES = '''
"""The routes."""
import importlib

PATHS = {"/profile": "profile", "/notifications": "notifications", "/analytics": "analytics"}


def handle(database, method, path, user, body=None):
    if path not in PATHS:
        return 404, {"error": "no such path"}
    if method not in ("GET", "POST"):
        return 405, {"error": "no such method"}
    if not user:
        return 401, {"error": "who are you?"}
    try:
        module = importlib.import_module(f"app.{PATHS[path]}")
    except ModuleNotFoundError:
        return 501, {"error": "not written yet"}
    return module.get(database, user) if method == "GET" else module.post(database, user, body)
'''
SCHEMA = """
create table profiles (user text not null primary key, bio text, avatar text);
create table preferences (user text not null, channel text, enabled integer, primary key (user, channel));
create table events (id integer primary key, user text not null, name text, at text);
create index events_by_user on events(user, at);
"""
ANSWERS = '''
"""What all features answer with."""


def ok(**values):
    return 200, values


def error(status, message):
    return status, {"error": message}


def page(items, number=1, size=20):
    start = (number - 1) * size
    pages = max(1, -(-len(items) // size))
    return {"items": items[start : start + size], "page": number, "pages": pages, "total": len(items)}
'''
PROFILE = '''
"""The profile of a user."""
from app.answers import error, ok


def get(database, user):
    row = database.execute("select bio, avatar from profiles where user = ?", (user,)).fetchone()
    bio, avatar = row or ("", "")
    return ok(user=user, bio=bio or "", avatar=avatar or "")


def post(database, user, body):
    if set(body) - {"bio", "avatar"}:
        return error(400, "unknown key")
    values = get(database, user)[1] | body
    database.execute("insert or replace into profiles values (:user, :bio, :avatar)", values)
    return get(database, user)
'''
NOTIFICATIONS = '''
"""Which channels a user wants."""
from app.answers import error, ok

USUAL = {"email": True, "push": True, "sms": False}


def get(database, user):
    rows = database.execute("select channel, enabled from preferences where user = ?", (user,))
    return ok(channels=USUAL | {channel: bool(enabled) for channel, enabled in rows})


def post(database, user, body):
    if set(body) - set(USUAL) or not all(isinstance(one, bool) for one in body.values()):
        return error(400, "unknown channel or value")
    for channel, enabled in body.items():
        database.execute("insert or replace into preferences values (?, ?, ?)", (user, channel, enabled))
    return get(database, user)
'''
ANALYTICS = '''
"""What a user did, counted."""
from collections import Counter
from datetime import datetime

from app.answers import error, ok


def post(database, user, body):
    try:
        datetime.fromisoformat(body["at"])
    except (KeyError, ValueError):
        return error(400, "at is no time")
    database.execute("insert into events (user, name, at) values (?, ?, ?)", (user, body["name"], body["at"]))
    return ok(stored=True)


def get(database, user):
    rows = database.execute("select name, at from events where user = ? order by at", (user,)).fetchall()
    days, names = Counter(at[:10] for _, at in rows), Counter(name for name, _ in rows)
    return ok(days=dict(days), names=dict(names), total=len(rows))
'''
TEST = """
import sqlite3
import unittest

from app.routes import handle

GOOD = {
    "/profile": {"bio": "hi"},
    "/notifications": {"sms": True},
    "/analytics": {"name": "open", "at": "2026-11-21T08:00:00"},
}
BAD = {"/profile": {"x": 1}, "/notifications": {"fax": True}, "/analytics": {"name": "x", "at": "soon"}}


class Features(unittest.TestCase):
    def setUp(self):
        self.base = sqlite3.connect(":memory:")
        self.base.executescript(open("app/schema.sql").read())
        self.addCleanup(self.base.close)

    def ask(self, method, path, body=None, user="ann"):
        return handle(self.base, method, path, user, body)

    def test_users_are_apart(self):
        self.ask("POST", "/profile", {"bio": "hi"})
        self.assertEqual(self.ask("GET", "/profile", user="bob")[1]["bio"], "")


def case(kind, path):
    def test(self):
        if kind == "get":
            self.assertEqual(self.ask("GET", path)[0], 200)
        else:
            body = (GOOD if kind == "good" else BAD)[path]
            self.assertEqual(self.ask("POST", path, body)[0], 200 if kind == "good" else 400)

    return test


for kind in ("get", "good", "bad"):
    for path in GOOD:
        setattr(Features, f"test_{kind}_{path[1:]}", case(kind, path))
"""
FILES = {  # by ordinal
    1: {"build/features/app/__init__.py": "", "build/features/app/routes.py": ROUTES},
    2: {"build/features/app/schema.sql": SCHEMA},
    3: {"build/features/app/answers.py": ANSWERS},
    4: {"build/features/app/profile.py": PROFILE},
    5: {"build/features/app/notifications.py": NOTIFICATIONS},
    6: {"build/features/app/analytics.py": ANALYTICS},
    7: {"build/features/test_features.py": TEST},
}


def usage(ordinal: int) -> Used:
    """Odd figures, different for each task, so that no sum fits by chance."""
    return Used(input=1000 + ordinal, output=100 + ordinal, cache_read=7 * ordinal, cache_write=3)


def script(*, together: bool) -> Mapping[str, Sequence[Step]]:
    """The steps of all seven tasks. `together`: 4, 5 and 6 are answered only when all three have asked."""
    return {
        f"Task {ordinal} of plan features": list(steps(ordinal, together and ordinal in (4, 5, 6)))
        for ordinal in FILES
    }


def steps(ordinal: int, together: bool) -> Sequence[Step]:
    used = usage(ordinal)
    writes: list[Step] = [
        write(path, text.lstrip("\n"), usage=used) for path, text in FILES[ordinal].items()
    ]
    if together:
        writes[0] = wait_for(3, then=writes[0], name="features")
    look = shell("ls build/features/app", usage=used)
    return [*writes, look, say(f"Task {ordinal} is done.", usage=used)]
