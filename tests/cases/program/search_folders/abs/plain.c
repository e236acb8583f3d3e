/* Opened by its path. */
const char *plain(void)
{
    return "plain";
}
