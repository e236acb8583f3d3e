/* Loaded second, global first. */
int which(void)
{
    return 2;
}
