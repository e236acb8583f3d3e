/* Needed by case.so. */
int needed_function(void)
{
    return 7;
}
