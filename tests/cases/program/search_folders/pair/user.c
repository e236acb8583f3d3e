/* Has two folders in its runtime path. */
const char *pick(void);

const char *user(void)
{
    return pick();
}
