/* One side of the diamond: a library of its own that shares libbottom with the other side. */
extern int bottom_count;
void note(const char *name);

__attribute__((constructor)) static void start(void)
{
    note("right");
}

int *right_view(void)
{
    return &bottom_count;
}
