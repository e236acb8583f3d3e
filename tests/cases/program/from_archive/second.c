/* A member of the archive that uses another. */
int liba_first(int x);
extern int liba_members;

__attribute__((constructor)) static void start(void)
{
    liba_members += 2;
}

int liba_second(int x)
{
    return liba_first(x) + 100;
}
