"""uuid-utils: UUIDs of every version out of Rust, compared with the standard library's, and their errors."""
import copy
import pickle
import uuid

import uuid_utils
import uuid_utils.compat


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options)))
    except Exception as error:
        print(what, "->", type(error).__name__, str(error), getattr(error, "__notes__", ""))


text = "a6a9b2a0-8e4f-11ee-b9d1-0242ac120002"
ours, theirs = uuid_utils.UUID(text), uuid.UUID(text)
for name in ["hex", "int", "bytes", "bytes_le", "fields", "time_low", "time_mid", "time_hi_version", "clock_seq_hi_variant",
             "clock_seq_low", "clock_seq", "node", "time", "urn", "variant", "version"]:
    print(name, getattr(ours, name), getattr(ours, name) == getattr(theirs, name))
print(str(ours), repr(ours), int(ours) == int(theirs), hash(ours) == hash(uuid_utils.UUID(text)))
for options in [{"bytes": theirs.bytes}, {"bytes_le": theirs.bytes_le}, {"int": theirs.int}, {"fields": theirs.fields}]:
    attempt(next(iter(options)), uuid_utils.UUID, **options)
for namespace in ["DNS", "URL", "OID", "X500"]:
    name = "NAMESPACE_" + namespace
    for function in ["uuid3", "uuid5"]:
        mine = getattr(uuid_utils, function)(getattr(uuid_utils, name), "python.org")
        print(name, function, mine, str(mine) == str(getattr(uuid, function)(getattr(uuid, name), "python.org")))
print(uuid_utils.uuid8(0x123456789ABC, 0xDEF, 0x123456789ABCDEF), uuid_utils.NIL, uuid_utils.MAX)
for function in [uuid_utils.uuid1, uuid_utils.uuid4, uuid_utils.uuid6, uuid_utils.uuid7]:
    made = [function() for _ in range(500)]
    print(made[0].version, made[0].variant, len(set(made)))
print(uuid_utils.uuid1(node=0x010203040506, clock_seq=77).node, uuid_utils.uuid1(node=1, clock_seq=77).clock_seq)
print(str(uuid_utils.uuid7(nanoseconds=1700000000123456789))[:13], uuid_utils.uuid6(node=5, clock_seq=9).node)
sevens = [uuid_utils.uuid7() for _ in range(1000)]
print(sevens == sorted(sevens))
compat = uuid_utils.compat.uuid4()
print(type(compat) is uuid.UUID, compat.version, type(uuid_utils.compat.uuid7()).__module__)
print(ours == uuid_utils.UUID(text), ours < uuid_utils.MAX, ours > uuid_utils.NIL, copy.deepcopy(ours) == ours)
print(pickle.loads(pickle.dumps(ours)) == ours)
attempt("text", uuid_utils.UUID, "not a uuid")
attempt("short", uuid_utils.UUID, "a6a9b2a0-8e4f-11ee-b9d1")
attempt("bytes", uuid_utils.UUID, bytes=b"123")
attempt("int", uuid_utils.UUID, int=1 << 128)
attempt("negative", uuid_utils.UUID, int=-1)
attempt("nothing", uuid_utils.UUID)
attempt("two", uuid_utils.UUID, text, int=5)
attempt("version", uuid_utils.UUID, text, version=9)
attempt("type", uuid_utils.UUID, 17)
attempt("order", lambda: ours < "x")
attempt("frozen", setattr, ours, "hex", "x")
attempt("name", uuid_utils.uuid5, uuid_utils.NAMESPACE_DNS, 12)
attempt("uuid8", uuid_utils.uuid8, b"short")
attempt("uuid8 range", uuid_utils.uuid8, 1 << 48, 1 << 70)
attempt("uuid7 range", uuid_utils.uuid7, nanoseconds=-1)
