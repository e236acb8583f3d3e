/* Has a library in its runtime path that LD_LIBRARY_PATH has, too. */
const char *preferred(void);

const char *prefers(void)
{
    return preferred();
}
