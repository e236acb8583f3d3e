/* Needed by the two that ask. */
const char *whose(void)
{
    return "its own";
}
