/* Made permanent when it is loaded already. */
int count_second(void)
{
    static int count;
    return ++count;
}
