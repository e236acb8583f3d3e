/* At the end of a branch. */
const char *who(void) __attribute__((weak));

const char *who(void)
{
    return "deep";
}

const char *name(void)
{
    return "deep";
}

const char *asked_by_deep(void)
{
    return who();
}

int kind = 7;
