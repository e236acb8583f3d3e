/* In both folders of a runtime path. */
const char *pick(void)
{
    return "second folder";
}
