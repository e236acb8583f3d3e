/* Found by the runtime path of a library that was found by one. */
const char *inner(void)
{
    return "inner";
}
