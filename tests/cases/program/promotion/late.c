/* Opened last. */
int late(void)
{
    return 5;
}
