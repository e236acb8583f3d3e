/* Needed by user.so, with a function of its own that is defined later. */
int provided_too(int x);

int needed_through(int x)
{
    return provided_too(x) * 2;
}
