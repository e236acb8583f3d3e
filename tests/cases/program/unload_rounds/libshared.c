/* Needed by a library that comes and goes. */
static char buffer[5000] = {1};
char *shared(void)
{
    return buffer;
}
