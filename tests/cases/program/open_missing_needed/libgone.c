/* Exists while the others are linked, and is missing when they are loaded. */
int gone_function(void)
{
    return 1;
}
