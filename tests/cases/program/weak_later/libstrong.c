/* Strong definitions of what weak.so defines weakly, and of what it misses. */
int number(void)
{
    return 2;
}

int datum = 20;
int missing_data = 40;

int missing(void)
{
    return 30;
}
