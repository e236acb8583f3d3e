/* Beside the library that needs it. */
const char *beside(void)
{
    return "beside";
}
