"""pydantic: models, validators, generics, JSON, settings of fields, and what it says about bad input."""
import datetime
import decimal
import enum
from typing import Annotated, Generic, Literal, Optional, TypeVar, Union

import pydantic
from pydantic import (
    AfterValidator, BaseModel, ConfigDict, EmailStr, Field, PositiveInt, RootModel, SecretStr, TypeAdapter, ValidationError,
    computed_field, create_model, field_serializer, field_validator, model_validator, validate_call,
)


def attempt(what, function, *arguments, **options):
    try:
        print(what, "->", repr(function(*arguments, **options)))
    except ValidationError as error:
        print(what, "-> ValidationError")
        print("    " + str(error).replace("\n", "\n    "))
    except Exception as error:
        print(what, "->", type(error).__name__, str(error).splitlines()[0])


class Kind(enum.StrEnum):
    CAT = "cat"
    DOG = "dog"


class Pet(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, validate_assignment=True)
    name: Annotated[str, Field(min_length=1, max_length=10, pattern=r"^[\w ]+$")]
    kind: Kind
    born: Optional[datetime.date] = None
    weight: decimal.Decimal = Field(default=decimal.Decimal("1.0"), gt=0, alias="w", max_digits=4)
    tags: set[str] = Field(default_factory=set)
    secret: SecretStr = SecretStr("hidden")

    @field_validator("name")
    @classmethod
    def no_shouting(cls, value):
        if value.isupper():
            raise ValueError("no shouting")
        return value

    @computed_field
    @property
    def label(self) -> str:
        return f"{self.name} the {self.kind}"

    @field_serializer("tags")
    def sorted_tags(self, tags):
        return sorted(tags)


class Owner(BaseModel):
    id: PositiveInt
    pets: list[Pet] = []
    boss: Optional["Owner"] = None

    @model_validator(mode="after")
    def not_own_boss(self):
        if self.boss and self.boss.id == self.id:
            raise ValueError("nobody is their own boss")
        return self


print(pydantic.VERSION)
pet = Pet(name=" Tom ", kind="cat", born="2020-02-29", w="3.50", tags=["b", "a", "b"])
print(repr(pet).replace("{'b', 'a'}", "{'a', 'b'}"), pet.model_dump(), pet.model_dump_json(by_alias=True, exclude={"secret"}))
print(pet == Pet.model_validate_json('{"name": "Tom", "kind": "cat", "born": "2020-02-29", "w": 3.50, "tags": ["a", "b"]}'))
print(pet.model_copy(update={"name": "Jerry"}).label, pet.model_fields_set == {"name", "kind", "born", "weight", "tags"})
owner = Owner.model_validate({"id": "7", "pets": [pet, {"name": "Rex", "kind": "dog"}], "boss": {"id": 8}})
print(owner.pets[1].label, owner.boss.id, owner.model_dump(mode="json", exclude_defaults=True))
attempt("many problems", Pet, name="TOM", kind="fish", born="2021-02-29", w=-1, tags=5, extra=True)
attempt("nested problems", Owner.model_validate, {"id": -1, "pets": [{"name": ""}, 3], "boss": {"id": "x"}})
attempt("own boss", Owner.model_validate, {"id": 1, "boss": {"id": 1}})
attempt("bad json", Owner.model_validate_json, '{"id": 1')
attempt("assignment", setattr, pet, "weight", "heavy")
attempt("frozen", setattr, create_model("Frozen", __config__=ConfigDict(frozen=True), a=(int, 1))(), "a", 2)

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    next: Optional[int] = None


attempt("generic", Page[int], items=["1", 2])
attempt("generic bad", Page[Pet], items=[{"name": "x", "kind": "cat"}, "y"])
Even = Annotated[int, AfterValidator(lambda value: value if value % 2 == 0 else (_ for _ in ()).throw(ValueError("odd")))]
attempt("adapter", TypeAdapter(dict[str, list[Even]]).validate_python, {"a": ["2", 4.0]})
attempt("adapter bad", TypeAdapter(dict[str, list[Even]]).validate_python, {"a": [1, 2.5]})
Shape = Annotated[Union[create_model("Circle", kind=(Literal["circle"], ...), r=(float, ...)),
                        create_model("Square", kind=(Literal["square"], ...), a=(float, ...))], Field(discriminator="kind")]
attempt("discriminator", TypeAdapter(list[Shape]).validate_python, [{"kind": "circle", "r": 1}, {"kind": "square", "a": 2}])
attempt("discriminator bad", TypeAdapter(list[Shape]).validate_python, [{"kind": "circle"}, {"kind": "triangle"}, {}])
attempt("root", lambda: RootModel[list[int]](["1", 2]).model_dump_json())


@validate_call
def repeat(text: str, *, times: PositiveInt = 2) -> str:
    return text * times


attempt("call", repeat, "ab", times="3")
attempt("call bad", repeat, 5, times=0)
attempt("email", create_model, "Mail", to=(EmailStr, ...))
attempt("bad annotation", create_model, "Bad", a=(5, ...))
attempt("unserialisable", lambda: create_model("Any", a=(object, ...))(a=object()).model_dump_json())
schema = Owner.model_json_schema()
print(sorted(schema["$defs"]), schema["$defs"]["Pet"]["properties"]["kind"], schema["$defs"]["Kind"]["enum"])
many = TypeAdapter(list[Owner]).validate_python([{"id": n + 1, "pets": [{"name": f"pet {n % 7}", "kind": "dog"}]} for n in range(500)])
print(sum(len(owner.model_dump_json()) for owner in many))
