/* Defines the same, for nobody else. */
int provided_later(int x, double y, long long z)
{
    return -1000 + x + (int)y + (int)z;
}

int provided_too(int x)
{
    return -x;
}
