/* In both folders of LD_LIBRARY_PATH. */
const char *both(void)
{
    return "second folder";
}
