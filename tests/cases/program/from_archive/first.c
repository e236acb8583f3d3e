/* A member of the archive. */
int liba_members;

int liba_first(int x)
{
    return x + 10;
}
