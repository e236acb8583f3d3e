// Throws and catches. Its other function does not.
extern "C" int adds(int number)
{
    return number + 1;
}

extern "C" int throws_and_catches()
{
    try {
        throw 42;
    } catch (int number) {
        return number;
    }
}
