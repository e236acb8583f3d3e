"""One of several writers of a database: commits rows one by one, whoever else does.

usage: writer.py DATABASE NAME COUNT
"""
import sqlite3
import sys

database, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
connection = sqlite3.connect(database, timeout=300, isolation_level=None)
connection.execute("create table if not exists rows (writer, number, total)")
for number in range(count):
    connection.execute("begin immediate")
    (total,) = connection.execute("select count(*) from rows").fetchone()
    connection.execute("insert into rows values (?, ?, ?)", (name, number, total))
    connection.execute("commit")
print(name, "done")
