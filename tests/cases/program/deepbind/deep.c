/* Opened with RTLD_DEEPBIND. */
const char *whose(void);
const char *only_first(void);

const char *ask_deep(void)
{
    return whose();
}

const char *ask_first(void)
{
    return only_first();
}
