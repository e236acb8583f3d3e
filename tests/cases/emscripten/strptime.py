# env: TZ=Europe/Berlin
"""C's strptime, by ctypes: what it reads of a text, and how far."""
import ctypes

libc = ctypes.CDLL(None)


class Tm(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in "sec min hour mday mon year wday yday isdst".split()]
    _fields_ += [("gmtoff", ctypes.c_long), ("zone", ctypes.c_char_p)]


strptime = libc.strptime
strptime.restype = ctypes.c_void_p
strptime.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(Tm)]

CASES = """
2024-02-29|%Y-%m-%d
2023-02-29|%F
2024-02-29 23:59:60|%F %T
1999-12-31T01:02:03Z|%Y-%m-%dT%H:%M:%S%z
1999-12-31T01:02:03+0530|%FT%T%z
1999-12-31T01:02:03-03:30 rest|%FT%T%z
x -0330|x %z
+05|%z
+5|%z
+0560|%z
12/31/99|%D
12/31/69|%x
12/31/68|%x
1/2/3|%m/%d/%y
Thu Jan  1 00:00:00 1970|%c
thu jan 1 00:00:00 1970|%c
Thursday, 29 February 2024|%A, %d %B %Y
Thurs 29 Feb 2024|%a %d %b %Y
MAY 5 2020|%b %e %Y
Mayday|%b
11:59:59 PM|%r
12:00:00 am|%I:%M:%S %p
12 pm|%I %p
13 pm|%I %p
0 pm|%I %p
5PM|%I%p
5 P.M.|%I %p
23:59|%R
24:00|%R
9:5:7|%T
  9 : 5|%H:%M
  9:  5|%H:%M
12345|%H%M
123|%j
2024 366|%Y %j
2024 060|%Y %j
0|%j
367|%j
2024 09 4|%Y %U %w
2024 09 Thu|%Y %W %a
2024 01 0|%Y %U %w
2024 00 6|%Y %U %w
2024 53 1|%Y %W %u
54|%U
19 70|%C %y
20|%C
21 1999|%C %Y
1999 21|%Y %C
00|%y
68|%y
69|%y
100|%y
12345|%Y
 1234|%Y
-1|%Y
7|%u
0|%u
8|%u
0|%w
7|%w
0|%s
1711843200|%s
1711846800 more|%s
x|%s
CET 5|%Z %d
100%|%d%%
100%|100%%
a b|a b
a    b|a b
ab|a b
a b|ab
  x|%nx
x|%tx
A|a
2024-2-9|%Y-%-m-%_d
2024-02-09|%EY-%Om-%Od
1|%EQ
1|%Ed
1|%Oj
1|%Q
1|%
53 99 2024|%V %g %G
abc|%G
5 6|%k %l
0 0|%k %l
61|%S
62|%S
Sunday|%A
Sun|%A
Su|%a
February|%h
Fe|%h
31 4 2024|%d %m %Y
32|%d
00|%d
13|%m
|%d
|
x|
"""

for line in CASES.strip("\n").split("\n"):
    text, form = line.split("|")
    tm = Tm(3, 2, 1, 15, 5, 99, 2, 165, 0, 0, None)
    buffer = ctypes.create_string_buffer(text.encode())
    start = ctypes.addressof(buffer)
    end = strptime(start, form.encode(), ctypes.byref(tm))
    if not end:
        print(f"{line}: no")
        continue
    fields = [getattr(tm, name) for name, _ in Tm._fields_[:-1]]
    print(f"{line}: {end - start} bytes, {fields}")
