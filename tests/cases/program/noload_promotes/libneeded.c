/* Becomes global with the one that needs it. */
int needed_value(void)
{
    return 7;
}
