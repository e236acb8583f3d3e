/* Has what top.so misses. */
int missing_datum = 5;

int missing_one(void)
{
    return 3;
}

int missing_two(void)
{
    return 4;
}
