/* The second branch. */
const char *who(void)
{
    return "right";
}

const char *name(void)
{
    return "right";
}

const char *kind(void)
{
    return "function";
}
