"""Two extension modules, each imported as usual, define the same classes inline: one catches, casts and finds what the other made."""
import maker
import taker


def show(what, result):
    print(f"{what}: {result}", flush=True)


DOG, GUIDE, PUPPY, ANY, FUNCTION, SHARED, TYPE, PRIVATE, COUNTER, TEXT, THROWER = map(maker.address, range(11))

# What maker throws by number: by value, derived, a template's, a pointer, of an unnamed namespace, another class of the same name,
# no class, of the C++ library.
for number in range(8):
    throw = (THROWER, number)
    show(f"{number} by reference", taker.by_reference(throw))
    show(f"{number} by value", taker.by_value(throw))
    show(f"{number} by base", taker.by_base(throw))
    show(f"{number} by exception_ptr", taker.by_exception_ptr(throw))

show("dog", taker.casts(DOG))
show("guide", taker.casts(GUIDE))
show("puppy, which is final", taker.casts(PUPPY))
show("any", taker.any(ANY))
show("function", taker.function(FUNCTION))
show("deleter", taker.deleter(SHARED))
show("type", taker.same_type(TYPE))
show("private type", taker.same_type(PRIVATE))
show("statics", taker.statics((COUNTER, TEXT)))
