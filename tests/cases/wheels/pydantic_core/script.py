"""pydantic-core: validation and serialisation in Rust, its errors, and Python called back from it."""
import dataclasses
import datetime
import decimal
import enum
import re
import uuid

import pydantic_core
from pydantic_core import (
    PydanticCustomError, PydanticKnownError, PydanticOmit, PydanticUseDefault, SchemaError, SchemaSerializer, SchemaValidator,
    Url, ValidationError, core_schema as cs, from_json, to_json, to_jsonable_python,
)


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options)))
    except ValidationError as error:
        print(what, "-> ValidationError", error.title, error.error_count())
        for problem in error.errors(include_url=False, include_context=True):
            print("    ", {key: str(value) if key == "ctx" else value for key, value in problem.items()})
    except BaseException as error:
        print(what, "->", type(error).__name__, str(error).splitlines()[0] if str(error) else "")


print(pydantic_core.__version__, pydantic_core._pydantic_core.__name__)
inputs = [0, -1, 2**70, "12", " 12 ", "1_000", "x", 1.0, 1.5, True, None, b"3", [], {}, "", "true", float("inf")]
for name, schema in [("int", cs.int_schema()), ("strict int", cs.int_schema(strict=True)), ("float", cs.float_schema(allow_inf_nan=False)),
                     ("bool", cs.bool_schema()), ("str", cs.str_schema(min_length=1)), ("bytes", cs.bytes_schema()),
                     ("int range", cs.int_schema(gt=0, le=100, multiple_of=4)), ("none", cs.none_schema()), ("any", cs.any_schema())]:
    validator = SchemaValidator(schema)
    for value in inputs:
        attempt(f"{name} {value!r}", validator.validate_python, value)

for name, schema, texts in [
    ("date", cs.date_schema(), ["2024-02-29", "2023-02-29", 1700000000, "2024-02-29T00:00", "x"]),
    ("datetime", cs.datetime_schema(), ["2024-02-29T12:30:15.25+02:00", 1700000000.5, "2024-13-01T00:00", ""]),
    ("time", cs.time_schema(), ["12:30", "25:00", 3600.5]),
    ("timedelta", cs.timedelta_schema(), ["P1DT2H", "-PT1.5S", "1 day, 00:00:01", "x"]),
    ("decimal", cs.decimal_schema(max_digits=5, decimal_places=2), ["1.25", "1.256", "123456", "NaN", 3]),
    ("uuid", cs.uuid_schema(version=4), ["6f1b4e0c-9f6c-4d0e-8a1b-0c9d8e7f6a5b", "6f1b4e0c-9f6c-1d0e-8a1b-0c9d8e7f6a5b", "x"]),
    ("url", cs.url_schema(), ["https://user:pw@exämple.org:8080/a/../b?q=1#f", "http://[::1]/", "nope", "http://a b"]),
    ("multi url", cs.multi_host_url_schema(), ["postgres://u:p@a:1,b:2/db", "x"]),
    ("complex", cs.complex_schema(), ["1+2j", 3, "x"]),
    ("pattern", cs.str_schema(pattern=r"^(\d+)-([a-z]+)$", to_upper=True), ["12-ab", "12-AB", "x"]),
]:
    validator = SchemaValidator(schema)
    for text in texts:
        attempt(f"{name} {text!r}", validator.validate_python, text)

model = SchemaValidator(cs.typed_dict_schema({
    "name": cs.typed_dict_field(cs.str_schema(strip_whitespace=True)),
    "tags": cs.typed_dict_field(cs.set_schema(cs.str_schema()), required=False),
    "nested": cs.typed_dict_field(cs.list_schema(cs.dict_schema(cs.str_schema(), cs.tuple_schema([cs.int_schema(), cs.float_schema()])))),
}, extra_behavior="forbid"))
attempt("typed dict", model.validate_python, {"name": " n ", "nested": [{"a": (1, 2)}, {"b": ["3", "4.5"]}]})
attempt("typed dict bad", model.validate_python, {"name": 1, "nested": [{"a": (1,)}, {"b": ["x", "y"]}, 5], "other": 0})
attempt("typed dict json", model.validate_json, '{"name": "j", "nested": [{"a": [1, 2]}], "tags": ["t", "t"]}')
attempt("typed dict json bad", model.validate_json, '{"name": "j", "nested": [{"a": [1, 2]}')
attempt("strings", SchemaValidator(cs.list_schema(cs.int_schema())).validate_strings, ["1"])

union = SchemaValidator(cs.union_schema([cs.int_schema(), cs.str_schema(), cs.list_schema(cs.bool_schema())]))
for value in [1, "1", [True], 1.5, {}]:
    attempt(f"union {value!r}", union.validate_python, value)
tagged = SchemaValidator(cs.tagged_union_schema(discriminator="kind", choices={
    "a": cs.typed_dict_schema({"kind": cs.typed_dict_field(cs.literal_schema(["a"])), "x": cs.typed_dict_field(cs.int_schema())}),
    "b": cs.typed_dict_schema({"kind": cs.typed_dict_field(cs.literal_schema(["b"]))})}))
for value in [{"kind": "a", "x": 1}, {"kind": "a"}, {"kind": "c"}, {}, 1]:
    attempt(f"tagged {value!r}", tagged.validate_python, value)

recursive = SchemaValidator(cs.definitions_schema(cs.definition_reference_schema("node"), [cs.typed_dict_schema({
    "value": cs.typed_dict_field(cs.int_schema()),
    "next": cs.typed_dict_field(cs.nullable_schema(cs.definition_reference_schema("node")), required=False)}, ref="node")]))
chain = None
for n in range(200):
    chain = {"value": n, "next": chain}
attempt("recursive", lambda: recursive.validate_python(chain)["next"]["value"])
loop = {"value": 1}
loop["next"] = loop
attempt("recursive loop", recursive.validate_python, loop)


def failing(value):
    if value == "custom":
        raise PydanticCustomError("my_error", "value {got} is wrong", {"got": value})
    if value == "known":
        raise PydanticKnownError("greater_than", {"gt": 5})
    if value == "omit":
        raise PydanticOmit
    if value == "default":
        raise PydanticUseDefault
    if value == "value":
        raise ValueError("a ValueError")
    if value == "assert":
        raise AssertionError("an AssertionError")
    if value == "key":
        raise KeyError(value)
    if value == "exit":
        raise SystemExit(3)
    return value * 2


called = SchemaValidator(cs.list_schema(cs.with_default_schema(cs.no_info_after_validator_function(failing, cs.str_schema()), default="d")))
for value in ["fine", "custom", "known", "omit", "default", "value", "assert", "key", "exit"]:
    attempt(f"function {value}", called.validate_python, ["x", value])
wrap = SchemaValidator(cs.no_info_wrap_validator_function(lambda value, handler: [handler(value), handler("7")], cs.int_schema()))
attempt("wrap", wrap.validate_python, "5")
attempt("wrap bad", wrap.validate_python, "x")


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


colour = SchemaValidator(cs.enum_schema(Colour, list(Colour.__members__.values())))
for value in [1, "b", Colour.RED, "c"]:
    attempt(f"enum {value!r}", colour.validate_python, value)
point = cs.dataclass_schema(Point, cs.dataclass_args_schema("Point", [
    cs.dataclass_field(name="x", schema=cs.int_schema()),
    cs.dataclass_field(name="y", schema=cs.with_default_schema(cs.int_schema(), default=0))]), ["x", "y"])
attempt("dataclass", SchemaValidator(point).validate_python, {"x": "3"})
attempt("dataclass bad", SchemaValidator(point).validate_python, {"y": "3", "z": 1})
attempt("dataclass json", SchemaSerializer(point).to_json, Point(1, 2), indent=1)
call = SchemaValidator(cs.call_schema(cs.arguments_schema([
    cs.arguments_parameter("a", cs.int_schema()), cs.arguments_parameter("b", cs.int_schema(), mode="keyword_only")]), lambda a, *, b: a ** b))
attempt("call", call.validate_python, pydantic_core.ArgsKwargs((2,), {"b": "10"}))
attempt("call bad", call.validate_python, pydantic_core.ArgsKwargs((2, 3), {"c": "10"}))
lazy = SchemaValidator(cs.generator_schema(cs.int_schema(), max_length=3)).validate_python(iter(["1", "2", "x", "4"]))
attempt("generator", list, lazy)

attempt("to_json", to_json, {"d": datetime.date(2024, 2, 29), "u": uuid.UUID(int=5), "b": b"bytes", "s": {1}, "n": float("nan"), "e": Colour.BLUE,
                             "p": Point(1, 2), "dec": decimal.Decimal("1.50"), "re": re.compile("x+"), "url": Url("http://a.b/")})
attempt("to_json bad", to_json, {"o": object()})
attempt("to_json fallback", to_json, [object()], fallback=lambda value: "fallback")
attempt("to_json raising", to_json, [object()], fallback=lambda value: 1 // 0)
attempt("to_json utf-8", to_json, b"\xff")
attempt("to_jsonable", to_jsonable_python, {"k": (1, {2}), "t": datetime.timedelta(days=1, seconds=5)})
cycle = []
cycle.append(cycle)
attempt("to_json cycle", to_json, cycle)
attempt("serializer warning", SchemaSerializer(cs.int_schema()).to_python, "not an int", warnings="error")
for text in ['{"a": [1, 2.5, "\\u00fc", null, true]}', "[1, 2", "[1,]", "NaN", '"\ud800"', "1e999", "9" * 30, "", '{"a": 1, "a": 2}', "[" * 300]:
    attempt(f"from_json {text[:40]!r}", from_json, text)
attempt("partial", from_json, '{"a": [1, 2, "un', allow_partial=True)
attempt("schema", SchemaValidator, {"type": "no-such-type"})
attempt("schema missing", SchemaValidator, {"type": "list", "items_schema": {"type": "function-plain"}})
attempt("schema pattern", SchemaValidator, cs.str_schema(pattern="(unclosed"))
failures = 0
positive = SchemaValidator(cs.list_schema(cs.int_schema(gt=0)))
for n in range(2000):
    try:
        positive.validate_python([n, -n, "x"])
    except ValidationError as error:
        failures += error.error_count()
print(failures)
