/* Exists while broken.so is linked, and is missing when it is loaded. */
int gone_function(void)
{
    return 1;
}
