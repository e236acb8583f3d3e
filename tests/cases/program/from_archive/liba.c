/* Linked with the whole of an archive. */
static int loaded;

__attribute__((constructor)) static void start(void)
{
    loaded++;
}

int liba_counted(void)
{
    return loaded;
}
