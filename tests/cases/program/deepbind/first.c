/* Global before the others. */
const char *whose(void)
{
    return "the global one";
}

const char *only_first(void)
{
    return "found in the global scope";
}
