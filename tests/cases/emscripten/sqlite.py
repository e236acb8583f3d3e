"""sqlite3 in memory and in files."""
import os
import sqlite3
import tempfile


def attempt(what, function, *arguments):
    try:
        print(what, "->", function(*arguments))
    except (sqlite3.Error, sqlite3.Warning) as error:
        print(what, "->", type(error).__name__, error)


os.chdir(tempfile.mkdtemp())
for path in [":memory:", "data.db"]:
    base = sqlite3.connect(path)
    base.execute("create table people (id integer primary key, name text not null unique, age real, data blob)")
    with base:
        base.executemany("insert into people (name, age, data) values (?, ?, ?)", [(f"name {n}", n / 2, bytes([n])) for n in range(100)])
    print(base.execute("select count(*), sum(age), max(name) from people").fetchone(), base.total_changes)
    print(base.execute("select name, data from people where age between ? and ? order by age desc", (1, 2)).fetchall())
    base.create_function("backwards", 1, lambda text: text[::-1])
    base.create_function("fails", 0, lambda: 1 // 0)
    print(base.execute("select backwards(name) from people where id = 7").fetchone())
    attempt("unique", base.execute, "insert into people (name) values ('name 1')")
    attempt("null", base.execute, "insert into people (age) values (1)")
    attempt("syntax", base.execute, "selekt")
    attempt("table", base.execute, "select * from nothing")
    attempt("function", lambda: base.execute("select fails()").fetchall())
    try:
        with base:
            base.execute("delete from people")
            raise KeyError
    except KeyError:
        print(base.execute("select count(*) from people").fetchone())
    base.row_factory = sqlite3.Row
    print(dict(base.execute("select id, json_extract('{\"a\": [1, 2]}', '$.a[1]') as j from people limit 1").fetchone()))
    base.close()
base = sqlite3.connect("data.db")
print(base.execute("select count(*) from people").fetchone(), os.path.getsize("data.db") % 4096, base.execute("pragma integrity_check").fetchone())
print(base.execute("pragma journal_mode = wal").fetchone()[0] in ("wal", "delete"), base.execute("pragma journal_mode = delete").fetchone())
other = sqlite3.connect("data.db", timeout=0.1)
other.execute("update people set age = 0 where id = 1")
other.commit()
print(base.execute("select age from people where id = 1").fetchone(), len(list(base.iterdump())))
copy = sqlite3.connect("copy.db")
base.backup(copy)
print(copy.execute("select count(*) from people").fetchone())
attempt("file", sqlite3.connect, "missing/data.db")
open("text.db", "w").write("not a database, but long enough to be read as one: " * 50)
attempt("not a database", lambda: sqlite3.connect("text.db").execute("select * from x"))
attempt("read-only", lambda: sqlite3.connect("file:data.db?mode=ro", uri=True).execute("delete from people"))
base.execute("create virtual table if not exists texts using fts5(body)") if "ENABLE_FTS5" in str(base.execute("pragma compile_options").fetchall()) else None
big = sqlite3.connect("big.db")
big.execute("create table t (n integer, s text)")
big.executemany("insert into t values (?, ?)", ((n, "x" * 100) for n in range(20_000)))
big.execute("create index i on t (n)")
big.commit()
print(big.execute("select sum(n), sum(length(s)) from t where n > 10000").fetchone(), os.path.getsize("big.db") > 2_000_000)
