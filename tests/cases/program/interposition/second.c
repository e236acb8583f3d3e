/* Asks for what it defines itself, though first.so does so, too. */
const char *only_first(void);

__attribute__((noinline)) const char *strong(void)
{
    return "second";
}

__attribute__((weak)) const char *weak(void)
{
    return "second";
}

const char *taken(void)
{
    return "second";
}

const char *text = "second";

__attribute__((noinline)) static const char *local(void)
{
    return "second";
}

__attribute__((visibility("hidden"), noinline)) const char *hidden(void)
{
    return "second";
}

const char *ask(int question)
{
    static const char *(*volatile pointer)(void) = taken;
    switch (question) {
    case 0: return only_first();
    case 1: return strong();
    case 2: return pointer();
    case 3: return text;
    case 4: return weak();
    case 5: return local();
    default: return hidden();
    }
}
