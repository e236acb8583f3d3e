/* Has a runtime path. */
const char *here(void);

const char *plugin(void)
{
    return here();
}
