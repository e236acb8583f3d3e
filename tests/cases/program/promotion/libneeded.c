/* What one.so needs. */
int of_needed(void)
{
    return 3;
}
