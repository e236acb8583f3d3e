/* Beside the library that needs it, which has no runtime path. */
const char *far(void)
{
    return "far";
}
