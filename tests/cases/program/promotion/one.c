/* Loaded first, global second. */
int of_needed(void);

int of_one(void)
{
    return of_needed() - 2;
}

int which(void)
{
    return 1;
}
