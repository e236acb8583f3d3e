/* In the second folder of LD_LIBRARY_PATH. */
const char *second(void)
{
    return "second folder";
}
