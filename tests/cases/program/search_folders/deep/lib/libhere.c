/* Found by a runtime path, and has one itself. */
const char *inner(void);

const char *here(void)
{
    return inner();
}
