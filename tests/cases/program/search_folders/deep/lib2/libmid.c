/* Needs a library beside it, and has no runtime path. */
const char *far(void);

const char *mid(void)
{
    return far();
}
