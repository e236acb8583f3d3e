/* Needs a library in a folder that it does not name. */
const char *here(void);

const char *nopath(void)
{
    return here();
}
