/* Needed by a library that has its folder in its runtime path. */
int needed_function(void)
{
    return 12;
}
