/* The other half. */
int loop_value(void)
{
    return 1;
}
