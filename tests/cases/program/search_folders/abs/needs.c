/* Opened by its path, needs the library beside it. */
const char *beside(void);

const char *needs(void)
{
    return beside();
}
