/* The last definition. */
const char *value(int depth)
{
    (void)depth;
    return "real";
}

int only_real(void)
{
    return 1;
}
