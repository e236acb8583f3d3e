/* Has a runtime path, which what it needs would need. */
const char *mid(void);

const char *outer(void)
{
    return mid();
}
