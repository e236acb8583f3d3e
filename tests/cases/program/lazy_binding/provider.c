/* Defines it all, for everybody. */
int provided_later(int x, double y, long long z)
{
    return x + (int)(y * 2) + (int)(z >> 38);
}

int provided_too(int x)
{
    return x + 100;
}

int weak_later(void)
{
    return 7;
}
