/* In LD_LIBRARY_PATH and in a runtime path. */
const char *preferred(void)
{
    return "runtime path";
}
